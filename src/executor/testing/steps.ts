import { join } from "node:path";
import { createExecutor } from "../executor.ts";
import type { Executor, Mount, ProcessSpec } from "../types.ts";
import { busyboxLayer, remove, temporaryDirectory } from "./busybox.ts";

/** A step's outcome as tests look at it. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly upper: string;
  readonly warnings: readonly string[];
}

export interface StepOptions extends Partial<ProcessSpec> {
  readonly mounts?: readonly Mount[];
  readonly lowers?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onOutput?: (stream: 1 | 2, data: Uint8Array) => void;
}

/** A store's run directory, a busybox layer, and an executor. */
export interface Workshop {
  readonly base: string;
  readonly stateDir: string;
  readonly busybox: string;
  readonly executor: Executor;
  /** Runs a shell command, or with an array exactly these arguments. */
  step(command: string | readonly string[], options?: StepOptions): Promise<Outcome>;
  close(): void;
}

export async function openWorkshop(runtime?: string): Promise<Workshop> {
  const base = temporaryDirectory();
  const busybox = join(base, "busybox");
  busyboxLayer(busybox);
  // A name that options of mounts, shells and paths all have to survive.
  const stateDir = join(base, 'run: it\'s, "odd"');
  const executor = await createExecutor({ stateDir, ...(runtime === undefined ? {} : { runtime }) });
  return {
    base,
    stateDir,
    busybox,
    executor,
    async step(command, options = {}) {
      const {
        mounts = [],
        lowers = [busybox],
        signal = new AbortController().signal,
        onOutput,
        ...spec
      } = options;
      const upper = executor.createUpper();
      const output = ["", "", ""];
      const warnings: string[] = [];
      const { code } = await executor.run(
        { lowers, upper },
        {
          args: typeof command === "string" ? ["/bin/sh", "-c", command] : command,
          env: [],
          cwd: "/",
          user: "",
          network: "default",
          ...spec,
        },
        mounts,
        {
          stdin: "ignore",
          onOutput: (stream, data) => {
            output[stream] += Buffer.from(data).toString();
            onOutput?.(stream, data);
          },
          onWarning: (message) => warnings.push(message),
        },
        signal,
      );
      return { code, stdout: output[1]!, stderr: output[2]!, upper, warnings };
    },
    close() {
      executor.close();
      remove(base);
    },
  };
}
