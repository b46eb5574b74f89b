import type { ChildProcess } from "node:child_process";
import type { Namespace } from "../stacking/index.ts";
import {
  catchesTerm,
  childrenOf,
  containedIn,
  programOf,
  runtimeBelow,
  signalProcess,
} from "./process-tree.ts";

/** How a chain is stopped, and how a signal reaches what runs in it. */
export interface ChainSignals {
  /** Asks the processes in the container to end, then kills them: after 10 s, or as soon as none of them cleans up. */
  terminate(): void;
  kill(): void;
  /** Passes a signal on to the first process in the container. */
  forward(signal: NodeJS.Signals): void;
  /** The first process in the container, once it runs its program. */
  program(): number | undefined;
}

const graceMs = 10_000;
const pollMs = 50;

/**
 * The chain is setpriv that became unshare; its only child is the shell that becomes the runtime, or waits for it where a
 * program serves the root filesystem.
 */
export function chainSignals(child: ChildProcess, namespace?: Namespace): ChainSignals {
  let timer: NodeJS.Timeout | undefined;
  const alive = (): boolean =>
    child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  const first = (): number | undefined => childrenOf(child.pid!)[0];
  const runtime = (): number | undefined => {
    const pid = first();
    return pid === undefined ? undefined : runtimeBelow(pid);
  };
  /** Without the runtime's helpers, such as what connects a network. */
  const inContainer = (): number[] => {
    const pid = runtime();
    return pid === undefined ? [] : containedIn(pid);
  };
  // Processes of subordinate ids take signals only from inside.
  const send = (pid: number, signal: NodeJS.Signals): void => {
    if (namespace === undefined) signalProcess(pid, signal);
    else namespace.signal(pid, signal);
  };
  const kill = (): void => {
    clearInterval(timer);
    if (!alive()) return;
    // It is the first process of its namespace: the kernel kills all others there before it is gone,
    // and unshare ends after that.
    signalProcess(first() ?? child.pid!, "SIGKILL");
  };
  child.once("exit", () => clearInterval(timer));
  return {
    kill,
    terminate() {
      if (!alive() || timer !== undefined) return;
      const deadline = performance.now() + graceMs;
      for (const pid of inContainer()) send(pid, "SIGTERM");
      const look = (): void => {
        if (performance.now() > deadline || !inContainer().some(catchesTerm)) kill();
      };
      timer = setInterval(look, pollMs);
      look();
    },
    forward(signal) {
      const pid = inContainer()[0];
      if (pid !== undefined) send(pid, signal);
    },
    program() {
      const pid = runtime();
      return pid === undefined ? undefined : programOf(pid);
    },
  };
}
