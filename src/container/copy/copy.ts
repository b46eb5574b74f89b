import { spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { BuildError, type ErrorCode, runInWorker, workerFile } from "../../core/index.ts";
import type { Executor } from "../../executor/index.ts";
import type { LayerStore } from "../../layer/index.ts";
import { makePipe } from "../../sys/index.ts";
import type { ContainerStore } from "../store.ts";
import type { Container } from "../types.ts";
import type { Extracted } from "./extract.ts";
import type { ContainerReply, ContainerTask, copyTasks } from "./tasks.ts";

export interface CopyDependencies {
  readonly containers: ContainerStore;
  readonly layers: Pick<LayerStore, "directories">;
  /** Made when the container does not run, to mount its files. */
  executor(): Promise<Executor>;
  readonly signal: AbortSignal;
}

/** The two ends of a copy; the machine's is a path, absolute, or `-` for a tar on stdin or stdout. */
export interface CopyEnds {
  readonly container: Container;
  /** A path in the container. */
  readonly inside: string;
  readonly outside: string;
  readonly followLink: boolean;
  /** Keeps owners when copying out of the container. */
  readonly keepOwners: boolean;
}

export interface CopyResult {
  /** Size of what was copied, as a tar. */
  readonly bytes: number;
  /** Devices, which are left out unless owners are kept. */
  readonly skipped: readonly string[];
}

const copyWorker = workerFile("copy-worker", import.meta.url);
const insideWorker = workerFile("inside-worker", import.meta.url);

/** Copies a file or a directory out of a container, created, running or ended, by docker's rules. */
export async function copyFromContainer(ends: CopyEnds, dependencies: CopyDependencies): Promise<CopyResult> {
  const { outside, followLink, keepOwners } = ends;
  const work: ContainerTask = { kind: "pack", task: { path: absolute(ends.inside), followLink } };
  if (outside === "-") {
    const bytes = await runInside<number>(ends.container, work, "ignore", 1, dependencies);
    return { bytes, skipped: [] };
  }
  const pipe = makePipe();
  const task = { path: outside, kind: "copy", keepOwners, followParents: false } as const;
  const extracted = runLocal("extract", { task, fd: pipe.read });
  const packed = runInside<number>(ends.container, work, "ignore", pipe.write, dependencies);
  return join(packed, extracted, inContainer(ends));
}

/** Copies a file or a directory into a container, created, running or ended, by docker's rules. */
export async function copyToContainer(ends: CopyEnds, dependencies: CopyDependencies): Promise<CopyResult> {
  const { outside, followLink } = ends;
  const kind = outside === "-" ? "archive" : "copy";
  // The process that unpacks sees nothing but the container: no link leads elsewhere.
  const task = { path: absolute(ends.inside), kind, keepOwners: true, followParents: true } as const;
  const work: ContainerTask = { kind: "extract", task };
  if (kind === "archive")
    return runInside<Extracted>(ends.container, work, 0, "ignore", dependencies).catch(inContainer(ends));
  const pipe = makePipe();
  const packed = runLocal("pack", { task: { path: outside, followLink }, fd: pipe.write });
  const extracted = runInside<Extracted>(ends.container, work, pipe.read, "ignore", dependencies);
  return join(packed, extracted, inContainer(ends));
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

function runLocal<K extends keyof typeof copyTasks>(
  name: K,
  input: Parameters<(typeof copyTasks)[K]>[0],
): Promise<ReturnType<(typeof copyTasks)[K]>> {
  // Closed as soon as it is over, well or not: the other end then knows.
  return runInWorker<ReturnType<(typeof copyTasks)[K]>>(copyWorker, name, input).finally(() =>
    closeSync(input.fd),
  );
}

/** When one end fails the other one fails too, because the pipe breaks; the first cause is that of the packing end. */
async function join(
  packing: Promise<number>,
  extracting: Promise<Extracted>,
  explain: (error: unknown) => never,
): Promise<CopyResult> {
  const [packed, extracted] = await Promise.allSettled([packing, extracting]);
  if (packed.status === "rejected" && !isBrokenPipe(packed.reason)) explain(packed.reason);
  if (extracted.status === "rejected") explain(extracted.reason);
  if (packed.status === "rejected") explain(packed.reason);
  const { skipped } = (extracted as PromiseFulfilledResult<Extracted>).value;
  return { bytes: (packed as PromiseFulfilledResult<number>).value, skipped };
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof BuildError && /EPIPE|broken pipe/i.test(error.message);
}

function inContainer({ container, inside }: CopyEnds): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof BuildError)) throw error;
    const { code, message, hint } = error;
    const isInside = message.endsWith(`no such file or directory: ${absolute(inside)}`);
    const told = isInside ? `Could not find the file ${inside} in container ${container.name}` : message;
    throw new BuildError(code, told, { hint, cause: error });
  };
}

/** An open file; up to 2 it is one of this process's own, which stays open. */
type Stream = "ignore" | number;

/** Starts the process that works in the container's root, and returns what it says. Open files are closed. */
async function runInside<T extends number | Extracted>(
  container: Container,
  task: ContainerTask,
  stdin: Stream,
  stdout: Stream,
  dependencies: CopyDependencies,
): Promise<T> {
  const { containers } = dependencies;
  const state = containers.state(container);
  const command = (root: string): string[] => [
    process.execPath,
    insideWorker.pathname,
    root,
    JSON.stringify(task),
  ];
  const said =
    state.status === "running" && state.program !== undefined
      ? await runIn(state.program, command, stdin, stdout)
      : await runMounted(container, command, stdin, stdout, dependencies);
  return understand<T>(said);
}

/** A running container is seen as its program sees it. */
async function runIn(
  program: number,
  command: (root: string) => string[],
  stdin: Stream,
  stdout: Stream,
): Promise<string> {
  const enter =
    process.geteuid?.() === 0
      ? []
      : ["nsenter", "--preserve-credentials", "--user", "--target", `${program}`];
  const [file = "", ...args] = [...enter, ...command(`/proc/${program}/root`)];
  const child = spawn(file, args, {
    stdio: [stdin, stdout, "pipe"],
    cwd: "/",
    env: { PATH: process.env.PATH },
  });
  closeGiven([stdin, stdout]);
  const chunks: Buffer[] = [];
  for await (const chunk of child.stderr as NodeJS.ReadableStream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** What does not run is mounted where only the process sees it; nobody can start it meanwhile. */
async function runMounted(
  container: Container,
  command: (root: string) => string[],
  stdin: Stream,
  stdout: Stream,
  { containers, layers, executor, signal }: CopyDependencies,
): Promise<string> {
  const held = await containers.occupy(container);
  let given: readonly Stream[] = [stdin, stdout];
  try {
    const made = await executor();
    const lowers = await layers.directories({ layers: container.layers }, signal);
    const chunks: Uint8Array[] = [];
    const ended = made.runBeside(
      { lowers, upper: containers.path(container, "upper") },
      command,
      {
        stdin,
        stdout: stdout === "ignore" ? "events" : stdout,
        onOutput: (stream, data) => void (stream === 2 && chunks.push(data)),
      },
      signal,
    );
    // The executor has them now.
    given = [];
    await ended;
    return Buffer.concat(chunks).toString();
  } finally {
    closeGiven(given);
    held.release();
  }
}

function closeGiven(streams: readonly Stream[]): void {
  for (const stream of streams) if (typeof stream === "number" && stream > 2) closeSync(stream);
}

function understand<T>(said: string): T {
  let reply: ContainerReply;
  try {
    reply = JSON.parse(said);
  } catch {
    throw new BuildError("internal", `the process that copies has died: ${said.trim().slice(0, 500)}`);
  }
  if ("error" in reply) {
    const { code, message, hint } = reply.error;
    throw new BuildError(code as ErrorCode, message, { hint });
  }
  return reply.value as T;
}
