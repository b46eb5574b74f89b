/**
 * One pool of worker threads for the whole process, for work that is synchronous and long: walks of large trees, hashing, tar,
 * compression. Workers start when they are first needed, are reused, and do not keep the process alive while idle.
 */
import { availableParallelism } from "node:os";
import type { Transferable, Worker } from "node:worker_threads";
import { BuildError, type ErrorCode, type ErrorDetails, toBuildError } from "./errors.ts";

interface PoolWorker {
  readonly entry: string;
  readonly thread: Worker;
  job: Job | undefined;
}

interface Job {
  readonly entry: URL;
  readonly message: Request;
  readonly transfer: readonly Transferable[];
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Request {
  readonly task: string;
  readonly input: unknown;
}

type Reply = { readonly value: unknown } | { readonly error: CarriedError };

/** An error as plain data, on its way between threads or processes. */
export interface CarriedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly details: ErrorDetails;
  readonly stack: string | undefined;
}

export interface WorkerOptions {
  /** Moved to the worker instead of copied. */
  readonly transfer?: readonly Transferable[];
  /** An abort ends the thread in the middle of its work: what it left half done is the caller's to remove. */
  readonly signal?: AbortSignal | undefined;
}

/** The functions' input and output must survive structured cloning. */
// biome-ignore lint/suspicious/noExplicitAny: the input's type is the business of the two ends
export type WorkerTasks = Readonly<Record<string, (input: any) => unknown>>;

/** Loaded when it is needed: loading it takes longer than most of what a cached build does. */
const workerThreads = () => process.getBuiltinModule("node:worker_threads");

/** Resident bytes of the process above which a worker that has done its job is not kept for another. */
const largeProcess = 160 << 20;

const workers = new Set<PoolWorker>();
const queue: Job[] = [];

/** Threads that work at once: as many as the process may use processors. */
export const poolSize = availableParallelism();

/** The file of a worker: beside the module that starts it (`beside`) in the sources, beside the bundle in `dist/`. */
export function workerFile(name: string, beside: string): URL {
  return new URL(`./${name}${beside.endsWith(".ts") ? ".ts" : ".js"}`, beside);
}

/**
 * Runs a task of a worker file that calls `serveTasks`. Rejects with the BuildError that the task threw, or `canceled`.
 */
export function runInWorker<T>(
  entry: URL,
  task: string,
  input: unknown,
  options: WorkerOptions = {},
): Promise<T> {
  const { signal, transfer = [] } = options;
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) {
      reject(canceled(signal));
      return;
    }
    const job: Job = {
      entry,
      message: { task, input },
      transfer,
      resolve: (value) => settle(() => resolve(value as T)),
      reject: (error) => settle(() => reject(error)),
    };
    const settle = (finish: () => void) => {
      signal?.removeEventListener("abort", abort);
      finish();
    };
    const abort = () => {
      cancel(job);
      job.reject(canceled(signal!));
    };
    signal?.addEventListener("abort", abort, { once: true });
    queue.push(job);
    dispatch();
  });
}

function canceled(signal: AbortSignal): BuildError {
  return new BuildError("canceled", "canceled", { cause: signal.reason });
}

function dispatch(): void {
  while (queue.length > 0) {
    const entry = queue[0]!.entry.href;
    const idle = [...workers].filter((worker) => worker.job === undefined);
    let worker = idle.find((candidate) => candidate.entry === entry);
    // Workers of other kinds give way: what they hold is mostly garbage of their last job.
    if (worker === undefined) for (const stranger of idle) drop(stranger);
    if (worker === undefined && workers.size >= poolSize) return; // the next one that finishes comes back here
    const job = queue.shift()!;
    worker ??= start(entry);
    worker.job = job;
    worker.thread.ref();
    try {
      worker.thread.postMessage(job.message, [...job.transfer]);
    } catch (error) {
      worker.job = undefined; // the input cannot be cloned; the thread never saw it
      worker.thread.unref();
      job.reject(error);
    }
  }
}

function start(entry: string): PoolWorker {
  // Node loads extra CAs at the start of every thread (43 ms), and only the registry client needs them.
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const { Worker } = workerThreads();
  const worker: PoolWorker = {
    entry,
    thread: new Worker(new URL(entry), {
      env,
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    }),
    job: undefined,
  };
  worker.thread.on("message", (reply: Reply) => finish(worker, reply));
  worker.thread.on("error", (error) => fail(worker, toBuildError(error)));
  worker.thread.on("exit", () =>
    fail(worker, new BuildError("internal", "a worker thread ended in its work")),
  );
  worker.thread.unref();
  workers.add(worker);
  return worker;
}

function finish(worker: PoolWorker, reply: Reply): void {
  const { job } = worker;
  worker.job = undefined;
  worker.thread.unref();
  if ("error" in reply) job?.reject(reviveError(reply.error));
  else job?.resolve(reply.value);
  // The garbage of a large job is cheaper to give back with its thread than to collect.
  if (process.memoryUsage.rss() > largeProcess) drop(worker);
  dispatch();
}

function fail(worker: PoolWorker, error: BuildError): void {
  if (!workers.delete(worker)) return;
  worker.job?.reject(error);
  dispatch();
}

function drop(worker: PoolWorker): void {
  workers.delete(worker);
  void worker.thread.terminate();
}

function cancel(job: Job): void {
  const waiting = queue.indexOf(job);
  if (waiting >= 0) queue.splice(waiting, 1);
  for (const worker of workers)
    if (worker.job === job) {
      drop(worker);
      dispatch();
    }
}

const moved = Symbol("moved");

/** A task's result whose buffers are moved to the caller instead of copied. */
export function withTransfer<T>(value: T, transfer: readonly Transferable[]): T {
  return { [moved]: transfer, value } as T;
}

/** What a worker file does: answers tasks by name until the thread is ended. */
export function serveTasks(tasks: WorkerTasks): void {
  const port = workerThreads().parentPort;
  if (port === null) throw new BuildError("internal", "a worker file was imported in the main thread");
  port.on("message", async ({ task, input }: Request) => {
    try {
      const work = tasks[task];
      if (work === undefined) throw new BuildError("internal", `no worker task is called ${task}`);
      const result = await work(input);
      if (isMoved(result)) port.postMessage({ value: result.value }, [...result[moved]]);
      else port.postMessage({ value: result });
    } catch (error) {
      port.postMessage({ error: carriedError(error) });
    }
  });
}

function isMoved(result: unknown): result is { [moved]: readonly Transferable[]; value: unknown } {
  return typeof result === "object" && result !== null && moved in result;
}

/** Makes plain data of an error, with the facts that a BuildError has. */
export function carriedError(error: unknown): CarriedError {
  const { code, message, hint, details, stack } = toBuildError(error);
  return { code, message, hint, details, stack };
}

/** The error that `carriedError` took apart. */
export function reviveError({ code, message, hint, details, stack }: CarriedError): BuildError {
  const error = new BuildError(code, message, { hint, details });
  if (stack !== undefined) error.stack = stack;
  return error;
}
