import { mkdirSync, rmSync } from "node:fs";
import { BuildError, type Digest, parseGitReference } from "../core/index.ts";
import { type LlbVertex, type SourceOp, sourceAttributes } from "../llb/index.ts";
import type { Mask, MaskedStream, Session } from "../session/index.ts";
import type { JobContext, Op } from "../solver/index.ts";
import {
  type GitRepository,
  gitSource,
  type HttpFile,
  httpSource,
  type RemoteSource,
  type RemoteStores,
  type RemoteWork,
} from "../source/index.ts";
import { openAgentSocket } from "./agent-socket.ts";
import type { Ref } from "./ref.ts";

/** What remote sources need of a build. */
export interface RemoteDependencies {
  readonly remote: RemoteStores;
  readonly session: () => Promise<Session>;
}

/** A file behind an http or https URL: see `httpSource`. */
export function httpOp(vertex: LlbVertex, dependencies: RemoteDependencies): Op<Ref> {
  const { identifier, attrs } = vertex.op.body as SourceOp;
  const number = (name: string) => (attrs[name] === undefined ? undefined : Number(attrs[name]));
  const mode = attrs[sourceAttributes.httpMode];
  const [uid, gid] = [number(sourceAttributes.httpUid), number(sourceAttributes.httpGid)];
  const checksum = attrs[sourceAttributes.httpChecksum] as Digest | undefined;
  const authHeaderSecret = attrs[sourceAttributes.httpAuthHeaderSecret];
  const file: HttpFile = {
    url: identifier,
    filename: attrs[sourceAttributes.httpFilename] ?? "",
    ...(checksum !== undefined && { checksum }),
    ...(mode !== undefined && { mode: Number.parseInt(mode, 8) }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    ...(authHeaderSecret !== undefined && { authHeaderSecret }),
  };
  return remoteOp(vertex, dependencies, (stores) => httpSource(file, stores));
}

/** A commit of a git repository: see `gitSource`. */
export function gitOp(vertex: LlbVertex, dependencies: RemoteDependencies): Op<Ref> {
  const { identifier, attrs } = vertex.op.body as SourceOp;
  const rest = identifier.slice("git://".length);
  const named = parseGitReference(identifier);
  if (named === undefined) throw new BuildError("invalid-argument", `no git repository: ${identifier}`);
  const full = attrs[sourceAttributes.gitUrl] ?? rest.replace(/#.*$/s, "");
  const isSet = (name: string) => attrs[name] === "true";
  const text = (name: string) => attrs[name] || undefined;
  const mtime = text(sourceAttributes.gitMtime);
  const repository: GitRepository = {
    remote: /^[a-z]+:\/\/|^[\w-]+@[\w.-]+:/i.test(full) ? full : `https://${full}`,
    ref: named.ref,
    subdir: named.subdir,
    keepGitDir: isSet(sourceAttributes.gitKeepDirectory),
    submodules: !isSet(sourceAttributes.gitSkipSubmodules),
    fetchByCommit: isSet(sourceAttributes.gitFetchByCommit),
    ...(mtime === "checkout" || mtime === "commit" ? { mtime } : {}),
    ...optional("checksum", text(sourceAttributes.gitChecksum)),
    ...optional("authHeaderSecret", text(sourceAttributes.gitAuthHeaderSecret)),
    ...optional("authTokenSecret", text(sourceAttributes.gitAuthTokenSecret)),
    ...optional("sshAgent", text(sourceAttributes.gitSsh)),
    ...optional("knownHosts", text(sourceAttributes.gitKnownHosts)),
  };
  return remoteOp(vertex, dependencies, (stores) => gitSource(repository, stores));
}

function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: string });
}

/**
 * Its key may need the network, and even the content; the vertex is shown as started while that goes on. What was fetched for
 * the key is what `exec` returns.
 */
function remoteOp(
  vertex: LlbVertex,
  dependencies: RemoteDependencies,
  open: (stores: RemoteStores) => Promise<RemoteSource>,
): Op<Ref> {
  let source: Promise<RemoteSource> | undefined;
  const opened = () => {
    source ??= open(dependencies.remote);
    return source;
  };
  return {
    async definitionKey(_, context) {
      const { name } = vertex.metadata;
      context.emit({ kind: "vertex", digest: context.vertex, name, inputs: [], started: Date.now() });
      return working(context, dependencies, async (work) => (await opened()).key(work));
    },
    async exec(_, context) {
      const layer = await working(context, dependencies, async (work) => (await opened()).layer(work));
      return [{ kind: "snapshot", snapshot: { layers: [layer] } }];
    },
  };
}

/** Progress in steps of this many milliseconds is enough for people. */
const progressEvery = 100;

/** Runs `run` with what it needs of the build. Secrets that it asks for are hidden in what it prints and throws. */
async function working<T>(
  { signal, emit, vertex }: JobContext,
  dependencies: RemoteDependencies,
  run: (work: RemoteWork) => Promise<T>,
): Promise<T> {
  const begun = new Map<string, number>();
  let last = 0;
  let mask: Mask | undefined;
  let masked: MaskedStream | undefined;
  const print = (data: Uint8Array) => emit({ kind: "log", vertex, stream: 2, data, timestamp: Date.now() });
  const work: RemoteWork = {
    signal,
    progress(id, current, total, done) {
      const timestamp = Date.now();
      if (!done && timestamp - last < progressEvery) return;
      last = timestamp;
      const started = begun.get(id) ?? timestamp;
      begun.set(id, started);
      const completed = done ? { completed: timestamp } : {};
      emit({ kind: "status", vertex, id, current, total, timestamp, started, ...completed });
    },
    log(text) {
      // A server may say back what it was told.
      masked ??= mask?.stream(print);
      if (masked === undefined) print(Buffer.from(text));
      else masked.write(Buffer.from(text));
    },
    async secret(id) {
      const session = await dependencies.session();
      const content = await session.secrets.get(id, signal);
      mask = session.mask;
      if (content !== undefined) mask.add(content);
      return content === undefined ? undefined : Buffer.from(content);
    },
    sshAgent: async (id) => openAgent(id, await dependencies.session(), dependencies.remote),
  };
  try {
    return await run(work);
  } catch (error) {
    if (mask === undefined || !(error instanceof BuildError)) throw error;
    throw new BuildError(error.code, mask.text(error.message), { hint: error.hint, details: error.details });
  } finally {
    masked?.flush();
  }
}

/** A private socket to the agent, in a directory that is swept with the store's leftovers when this process is killed. */
async function openAgent(
  id: string,
  session: Session,
  { content }: RemoteStores,
): Promise<{ socket: string; close(): void } | undefined> {
  if (!session.ssh.ids.includes(id)) return undefined;
  const directory = content.temporary();
  mkdirSync(directory, { mode: 0o700 });
  const { address, close } = await openAgentSocket(id, session, directory);
  return {
    socket: address,
    close() {
      close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
