import { defined } from "../core/index.ts";
import type { RunningStep } from "../executor/index.ts";
import { makeRaw } from "../sys/index.ts";
import { type RunDependencies, runContainer } from "./run.ts";
import { forwardSignals } from "./signals.ts";
import type { Container } from "./types.ts";

/**
 * Runs a container in the foreground: its output is this process's, signals are passed on, and its terminal
 * is the caller's. Returns its exit code.
 */
export async function runAttached(container: Container, dependencies: RunDependencies): Promise<number> {
  const signals = forwardSignals(() => dependencies.executor.kill());
  const terminal = container.tty ? openTerminal(container.interactive) : undefined;
  try {
    return await runContainer(container, dependencies, {
      stdin: container.interactive && !container.tty,
      ...defined({ size: terminal?.size }),
      onOutput: (stream, data) => void (stream === 1 ? process.stdout : process.stderr).write(data),
      onStart(step) {
        terminal?.connect(step);
        signals.connect(whenProgramRuns(step));
      },
    });
  } finally {
    signals.end();
    terminal?.close();
  }
}

const lookMs = 5;

/** A signal that comes before the program is there would hit the runtime, or nothing: it waits. */
function whenProgramRuns(step: RunningStep): (signal: NodeJS.Signals) => void {
  const waiting: NodeJS.Signals[] = [];
  let timer: NodeJS.Timeout | undefined;
  let runs = false;
  const look = (): void => {
    runs ||= step.program() !== undefined;
    if (!runs) return;
    clearInterval(timer);
    for (const signal of waiting.splice(0)) step.forward(signal);
  };
  return (signal) => {
    waiting.push(signal);
    look();
    if (!runs) timer ??= setInterval(look, lookMs).unref();
  };
}

/** The caller's terminal. While a container reads from it, it hands every key through: Ctrl-C is the container's. */
function openTerminal(reads: boolean) {
  const { stdin, stdout } = process;
  const size = (): { columns: number; rows: number } | undefined =>
    stdout.isTTY && stdout.columns > 0 && stdout.rows > 0
      ? { columns: stdout.columns, rows: stdout.rows }
      : undefined;
  let resize = (): void => {};
  let restore = (): void => {};
  return {
    size: size(),
    connect(step: RunningStep) {
      resize = () => {
        const now = size();
        if (now !== undefined) step.resize(now);
      };
      stdout.on("resize", resize);
      if (!reads) return;
      if (stdin.isTTY) restore = makeRaw(stdin.fd);
      process.once("exit", restore);
      stdin.on("data", (data: Buffer) => step.type(data));
      stdin.resume();
    },
    close() {
      stdout.off("resize", resize);
      if (!reads) return;
      restore();
      process.off("exit", restore);
      stdin.pause();
    },
  };
}
