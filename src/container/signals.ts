import { constants } from "node:os";
import { BuildError } from "../core/index.ts";

/** Parses a signal as docker takes it: `SIGTERM`, `TERM`, `term` or `15`. Throws `invalid-argument`. */
export function parseSignal(text: string): NodeJS.Signals {
  const { signals } = constants;
  const wanted = text.trim().toUpperCase();
  const number = /^\d+$/.test(wanted) ? Number(wanted) : undefined;
  for (const [name, value] of Object.entries(signals))
    if (name === wanted || name === `SIG${wanted}` || value === number) return name as NodeJS.Signals;
  throw new BuildError("invalid-argument", `invalid signal: ${text}`);
}

const forwarded = [
  ...["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCONT"],
] as NodeJS.Signals[];
/** Asked to end this often, the caller means it. */
const patience = 3;

/**
 * Passes on to the container what this process is sent; the third request to end kills. Returns what ends it. What
 * comes before `connect` is passed on then.
 */
export function forwardSignals(kill: () => void): {
  connect(forward: (signal: NodeJS.Signals) => void): void;
  end(): void;
} {
  let requests = 0;
  let pass: ((signal: NodeJS.Signals) => void) | undefined;
  const early: NodeJS.Signals[] = [];
  const onSignal = (signal: NodeJS.Signals): void => {
    const asksToEnd = signal === "SIGINT" || signal === "SIGTERM";
    if (asksToEnd && ++requests >= patience) kill();
    else if (pass === undefined) early.push(signal);
    else pass(signal);
  };
  for (const signal of forwarded) process.on(signal, onSignal);
  return {
    connect(forward) {
      pass = forward;
      for (const signal of early.splice(0)) forward(signal);
    },
    end() {
      for (const signal of forwarded) process.off(signal, onSignal);
    },
  };
}
