import { BuildError } from "../core/index.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
let first: (typeof signals)[number] | undefined;

/** The signal that asked this process to end; its exit code tells. */
export function interruptedBy(): (typeof signals)[number] | undefined {
  return first;
}

/** Aborts at the first Ctrl-C or TERM, and says when a second one asks for less patience. */
export function interruption(): { signal: AbortSignal; killSignal: AbortSignal; end(): void } {
  const stop = new AbortController();
  const kill = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    first ??= signals.find((signal) => signal === name);
    if (stop.signal.aborted) kill.abort();
    else stop.abort(new BuildError("canceled", "canceled"));
  };
  for (const signal of signals) process.on(signal, onSignal);
  return {
    signal: stop.signal,
    killSignal: kill.signal,
    end() {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
