import { statSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { resolve } from "node:path";
import type { Duplex } from "node:stream";
import { BuildError, readFileWithin, toBuildError } from "../core/index.ts";
import { connectToKeys, restricted } from "./ssh-agent.ts";
import { parseSshKey, type SshKey } from "./ssh-key.ts";
import type { SshAgents, SshSource } from "./types.ts";

/** Bytes; private keys have some thousand. */
const largestKey = 1024 * 1024;

type Connect = () => Promise<Duplex>;

/** Agents by id. Sockets are looked for and keys are read at once, so that mistakes show before anything is built. */
export function openSshAgents(sources: Readonly<Record<string, SshSource>>, cwd: string): SshAgents {
  const byId = new Map(Object.entries(sources).map(([id, source]) => [id, openAgent(id, source, cwd)]));
  return {
    ids: [...byId.keys()],
    async connect(id) {
      const connect = byId.get(id);
      if (connect === undefined) throw new BuildError("not-found", `unset ssh forward key ${id}`);
      return connect();
    },
  };
}

function openAgent(id: string, source: SshSource, cwd: string): Connect {
  if (typeof source === "function") return async () => restricted(await source());
  const paths = source.paths.length > 0 ? source.paths : [ownAgent(id)];
  const keys: SshKey[] = [];
  let socket: string | undefined;
  for (const path of paths) {
    const place = resolve(cwd, path);
    if (isSocket(place, path)) {
      if (socket !== undefined) throw invalid(id, "only single socket allowed");
      socket = place;
    } else keys.push(parseSshKey(readKey(place, path), path));
  }
  if (socket === undefined) return async () => connectToKeys(keys);
  if (keys.length > 0) throw invalid(id, "invalid combination of keys and sockets");
  const agent = socket;
  return async () => restricted(await connected(agent));
}

function ownAgent(id: string): string {
  const path = process.env.SSH_AUTH_SOCK;
  if (path) return path;
  throw new BuildError("failed-precondition", `ssh ${id}: invalid empty ssh agent socket`, {
    hint: "start an agent (eval $(ssh-agent)), which sets SSH_AUTH_SOCK, or give a key: --ssh default=FILE",
  });
}

function isSocket(place: string, path: string): boolean {
  return reading(path, () => statSync(place)).isSocket();
}

function readKey(place: string, path: string): string {
  const content = reading(path, () => readFileWithin(place, largestKey));
  if (content !== undefined) return content.toString("latin1");
  throw new BuildError("invalid-argument", `failed to parse ${path}: it is too large to be a private key`);
}

function reading<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code, message } = toBuildError(error);
    throw new BuildError(code, `cannot read the ssh key or socket ${path}: ${message}`, { cause: error });
  }
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

function invalid(id: string, message: string): BuildError {
  return new BuildError("invalid-argument", `ssh ${id}: ${message}`);
}
