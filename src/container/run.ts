import { chmodSync, writeFileSync } from "node:fs";
import type { Executor, Mount, ProcessIO, RunningStep } from "../executor/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { TerminalSize } from "../sys/index.ts";
import { openLog } from "./log.ts";
import { claimPorts } from "./ports.ts";
import type { ContainerStore } from "./store.ts";
import type { Container } from "./types.ts";

export interface RunDependencies {
  readonly containers: ContainerStore;
  readonly layers: Pick<LayerStore, "directories">;
  readonly executor: Executor;
  readonly signal: AbortSignal;
}

/** Who watches a container that runs. */
export interface Watcher {
  readonly onOutput?: (stream: 1 | 2, data: Uint8Array) => void;
  /** Whether its input is this process's own stdin. Else an interactive container has an input that stays silent. */
  readonly stdin?: boolean;
  /** Size of the terminal, for a container with one. */
  readonly size?: TerminalSize;
  /** Called before its program runs. */
  readonly onStart?: (step: RunningStep) => void;
  /** Called once its program runs. */
  readonly onProgram?: () => void;
}

const defaultSize: TerminalSize = { columns: 80, rows: 24 };
/** How often it is looked for the program, until it is there. */
const lookMs = 5;

/**
 * Runs a container in this process, to its end, and returns its exit code. Its state and its log say what becomes of it,
 * also when this process is killed: then the container dies with it. Throws what kept it from starting.
 */
export async function runContainer(
  container: Container,
  dependencies: RunDependencies,
  watcher: Watcher = {},
): Promise<number> {
  const { containers, executor, layers, signal } = dependencies;
  const held = await containers.occupy(container);
  const started = Date.now();
  let look: NodeJS.Timeout | undefined;
  try {
    const ports = container.network === "isolated" ? await claimPorts(container.ports) : [];
    const lowers = await layers.directories({ layers: container.layers }, signal);
    const log = openLog(containers.path(container, "log"));
    const running = { status: "running", started, ports } as const;
    containers.setState(container, running);
    const io: ProcessIO = {
      stdin: watcher.stdin ? "inherit" : container.interactive ? "pipe" : "ignore",
      ...(container.tty ? { terminal: watcher.size ?? defaultSize } : {}),
      onOutput(stream, data) {
        log.write(stream, data);
        watcher.onOutput?.(stream, data);
      },
      onStart(step) {
        watcher.onStart?.(step);
        look = setInterval(() => {
          const program = step.program();
          if (program === undefined) return;
          clearInterval(look);
          containers.setState(container, { ...running, program });
          watcher.onProgram?.();
        }, lookMs);
      },
    };
    try {
      const root = { lowers, upper: containers.path(container, "upper") };
      const spec = { ...container, hostname: hostnameOf(container), env: environment(container), ports };
      const { code } = await executor.run(root, spec, mounts(containers, container), io, signal);
      clearInterval(look);
      containers.setState(container, { status: "exited", started, finished: Date.now(), exitCode: code });
      return code;
    } finally {
      log.close();
    }
  } catch (error) {
    clearInterval(look);
    containers.setState(container, {
      status: "created",
      exitCode: failedToStart,
      error: (error as Error).message,
    });
    throw error;
  } finally {
    held.release();
    if (container.autoRemove) await containers.remove(container);
  }
}

/** Docker's exit code of a container that could not be made. */
const failedToStart = 128;

/** The name that a container has for itself. */
export function hostnameOf({ hostname, id }: Container): string {
  return hostname || id.slice(0, 12);
}

function environment(container: Container): string[] {
  const own = container.env.some((entry) => entry.startsWith("HOSTNAME="));
  return [...(own ? [] : [`HOSTNAME=${hostnameOf(container)}`]), ...container.env];
}

function mounts(containers: ContainerStore, container: Container): Mount[] {
  const source = containers.path(container, "hostname");
  writeFileSync(source, `${hostnameOf(container)}\n`);
  chmodSync(source, 0o644);
  return [
    { type: "bind", source, target: "/etc/hostname", readonly: false },
    ...container.volumes.map((volume) => ({ type: "bind", ...volume }) as const),
    ...(container.tmpfs ?? []).map((tmpfs) => ({ type: "tmpfs", ...tmpfs }) as const),
  ];
}
