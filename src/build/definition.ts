import { basename, isAbsolute, resolve } from "node:path";
import {
  BuildError,
  bytePathOf,
  defined,
  type EventSink,
  goText,
  type IgnoreFile,
  isArchive,
  parseGitReference,
  shownUrl,
} from "../core/index.ts";
import { maxFileSize } from "../dockerfile/index.ts";
import { fileVertex, gitSource, httpSource, type LlbEdge, plainCopy } from "../llb/index.ts";
import { type Lent, snapshotOf } from "../ops/index.ts";
import type { Snapshot } from "../snapshot/index.ts";
import { isDirectory, openContext, readDockerfile, readIgnore } from "./context.ts";
import type { Engine } from "./engine.ts";
import type { BuildOptions } from "./options.ts";
import { type BuildSolver, solveEdge } from "./solve.ts";
import { readStandardInput, readText } from "./standard-input.ts";
import { internalStep } from "./steps.ts";
import { snapshotOfTar } from "./tar-context.ts";

/** The Dockerfile, and where the files of the main context are. */
export interface Definition {
  /** The Dockerfile's name as messages show it. */
  readonly name: string;
  readonly dockerfile: Buffer;
  /** Counts for a directory alone: what comes from elsewhere has been chosen there, as with BuildKit. */
  readonly ignore: IgnoreFile | undefined;
  /** What `local://context` stands for. */
  readonly lent?: Lent;
  /** The vertex that gives the context in its place. */
  readonly edge?: LlbEdge;
}

export type DefinitionOptions = Pick<BuildOptions, "context" | "file" | "cwd" | "stdin" | "buildArgs">;

/** What looking for a definition works with. */
export interface DefinitionWork {
  readonly engine: Engine;
  readonly solver: BuildSolver;
  readonly emit: EventSink;
  readonly signal: AbortSignal;
}

/** Finds the context and reads the Dockerfile, the way `docker build -f FILE CONTEXT` does. */
export async function loadDefinition(options: DefinitionOptions, work: DefinitionWork): Promise<Definition> {
  const { context, file, cwd = process.cwd() } = options;
  if (context === "-") return fromStandardInput(options, work);
  if (!isDirectory(resolve(cwd, context))) {
    const edge = await remoteFiles(options, work);
    if (edge !== undefined) return fromRemote(edge, options, work);
  }
  const isElsewhere = file === "-" || (file !== undefined && isUrl(file));
  const found = openContext(context, isElsewhere ? undefined : file, cwd);
  const elsewhere = isElsewhere ? await fileElsewhere(options, work) : undefined;
  const dockerfile =
    elsewhere?.dockerfile ?? (await reading(found.dockerfileName, work, () => readDockerfile(found)));
  const ignore = await internalStep(work.emit, "[internal] load .dockerignore", (step) => {
    const read = readIgnore(found);
    step.status("reading ignore file:", read?.size ?? 0, { done: true });
    return read?.file;
  });
  const lent = { directory: found.root, ...defined({ ignore }) };
  return { name: elsewhere?.name ?? found.dockerfileName, dockerfile, ignore, lent };
}

function reading(name: string, work: DefinitionWork, read: () => Promise<Buffer> | Buffer): Promise<Buffer> {
  return internalStep(work.emit, `[internal] load build definition from ${name}`, async (step) => {
    const content = await read();
    step.status("reading dockerfile:", content.length, { done: true });
    return content;
  });
}

function isUrl(text: string): boolean {
  return /^https?:\/\//.test(text);
}

type NamedFile = Pick<Definition, "name" | "dockerfile">;

/** A Dockerfile that lies in no context: on standard input, or behind a URL. */
async function fileElsewhere({ file, stdin }: DefinitionOptions, work: DefinitionWork): Promise<NamedFile> {
  const name = "Dockerfile";
  if (file === "-")
    return { name, dockerfile: await reading(name, work, () => readText(stdin, work.signal)) };
  const vertex = httpSource(
    file!,
    { filename: name },
    { name: `[internal] load remote Dockerfile ${shownUrl(file!)}` },
  );
  return { name, dockerfile: await fileIn(await solved({ vertex, index: 0 }, work), name, work) };
}

async function fromStandardInput(options: DefinitionOptions, work: DefinitionWork): Promise<Definition> {
  const { file, cwd = process.cwd() } = options;
  if (file === "-")
    throw new BuildError(
      "invalid-argument",
      "invalid argument: can't use stdin for both build context and dockerfile",
    );
  // What was read cannot be read again: garbage collection must know of it from the start.
  await work.engine.codec.activate();
  const input = await readStandardInput(options.stdin, work.signal);
  if (input.kind === "text") {
    if (file !== undefined)
      throw new BuildError(
        "invalid-argument",
        "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles",
        { hint: `to build the directory with this Dockerfile: -f ${file} DIRECTORY, or -f - DIRECTORY` },
      );
    const dockerfile = await reading("Dockerfile", work, () => input.text);
    return {
      name: "Dockerfile",
      dockerfile,
      ignore: undefined,
      lent: { snapshot: async () => ({ layers: [] }) },
    };
  }
  const snapshot = await internalStep(work.emit, "[internal] load build context", async (step) => {
    const made = await snapshotOfTar(input.data, work.engine, work.signal, (size, done) =>
      step.status("reading context:", size, { done }),
    );
    return made;
  });
  const named = await dockerfileIn(snapshot, file, cwd, options, work);
  return { ...named, ignore: undefined, lent: { snapshot: async () => snapshot } };
}

/** The vertex of a context that lies elsewhere; undefined when the text means nothing of the kind. */
async function remoteFiles(
  { context, buildArgs = {} }: DefinitionOptions,
  work: DefinitionWork,
): Promise<{ edge: LlbEdge; dockerfile?: string } | undefined> {
  const repository = parseGitReference(context, { bare: true });
  if (repository !== undefined) {
    const name = `[internal] load git source ${shownUrl(context)}`;
    const keepGitDir =
      goText.parseBool(buildArgs.BUILDKIT_CONTEXT_KEEP_GIT_DIR ?? "") || repository.keepGitDir === true;
    return { edge: { vertex: gitSource({ ...repository, keepGitDir }, { name }), index: 0 } };
  }
  if (!isUrl(context)) return undefined;
  const filename = "context";
  const vertex = httpSource(context, { filename }, { name: "[internal] load remote build context" });
  const edge = { vertex, index: 0 };
  const snapshot = await solved(edge, work);
  const rootfs = await work.engine.store.layers.rootfs(snapshot);
  const view = rootfs.layers[0]!;
  const bytes = view.open(filename);
  const head = Buffer.alloc(1024);
  try {
    const { readSync } = await import("node:fs");
    readSync(bytes.fd, head, 0, Math.min(head.length, bytes.size), bytes.position);
  } finally {
    bytes.close();
  }
  return isArchive(head) ? { edge: unpacked(edge, filename) } : { edge, dockerfile: filename };
}

/** An archive as its files. */
function unpacked(source: LlbEdge, filename: string): LlbEdge {
  const action = { ...plainCopy, src: `/${filename}`, attemptUnpack: true, createDestPath: false };
  return fileVertex(undefined, [{ source, action }], { name: "[internal] unpack remote build context" });
}

async function fromRemote(
  { edge, dockerfile }: { edge: LlbEdge; dockerfile?: string },
  options: DefinitionOptions,
  work: DefinitionWork,
): Promise<Definition> {
  const { file, cwd = process.cwd() } = options;
  const snapshot = await solved(edge, work);
  const named = await dockerfileIn(snapshot, dockerfile ?? file, cwd, options, work);
  const name = dockerfile === undefined ? named.name : nameOfUrl(options.context);
  return { ...named, name, ignore: undefined, edge };
}

function nameOfUrl(url: string): string {
  return basename(URL.parse(url)?.pathname ?? "") || "Dockerfile";
}

/** The Dockerfile of a context that is no directory: in it, unless `-f` leads elsewhere. */
async function dockerfileIn(
  snapshot: Snapshot,
  file: string | undefined,
  cwd: string,
  options: DefinitionOptions,
  work: DefinitionWork,
): Promise<NamedFile> {
  if (file === "-" || (file !== undefined && isUrl(file))) return fileElsewhere(options, work);
  if (file !== undefined && isAbsolute(file)) {
    const own = { root: cwd, dockerfileName: file, dockerfilePath: file };
    return { name: file, dockerfile: await reading(file, work, () => readDockerfile(own)) };
  }
  const name = file ?? "Dockerfile";
  const other = basename(name) === "Dockerfile" ? name.replace(/Dockerfile$/, "dockerfile") : name;
  return { name, dockerfile: await fileIn(snapshot, name, work, other) };
}

async function fileIn(snapshot: Snapshot, name: string, work: DefinitionWork, other = name): Promise<Buffer> {
  const rootfs = await work.engine.store.layers.rootfs(snapshot);
  for (const candidate of [name, other]) {
    const { path, entry } = rootfs.resolve(bytePathOf(candidate.replace(/^(\.?\/)+/, "")));
    if (entry === undefined) continue;
    const { type, size } = rootfs.inode(entry);
    if (type !== "file")
      throw new BuildError("invalid-argument", `failed to read dockerfile: ${candidate} is a ${type}`);
    if (size > maxFileSize)
      throw new BuildError(
        "invalid-argument",
        `${candidate} is larger than ${maxFileSize / 1024 / 1024} MiB`,
      );
    return rootfs.read(path);
  }
  throw new BuildError("not-found", `failed to read dockerfile: open ${name}: no such file or directory`, {
    hint: "the Dockerfile is looked for in the context; name it with -f",
  });
}

async function solved(edge: LlbEdge, { solver }: DefinitionWork): Promise<Snapshot> {
  return snapshotOf((await solveEdge(solver, edge)).result, "the build context");
}
