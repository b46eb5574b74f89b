import { readdirSync, readFileSync } from "node:fs";

const sigtermBit = 1n << 14n;

/** Process ids of all descendants of a process, parents first, as this process's own /proc shows them. */
export function descendants(pid: number): number[] {
  const found = childrenOf(pid);
  for (let i = 0; i < found.length; i++) found.push(...childrenOf(found[i]!));
  return found;
}

/** Children of every thread of a process; none when it is gone. */
export function childrenOf(pid: number): number[] {
  const children: number[] = [];
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`))
      for (const child of readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1").split(" "))
        if (child !== "") children.push(Number(child));
  } catch {
    // The process ended while it was looked at.
  }
  return children;
}

/** Whether a living process has a handler for SIGTERM, that is, wants to clean up. */
export function catchesTerm(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    if (/^State:\s*[ZX]/m.test(status)) return false;
    const match = /^SigCgt:\s*([0-9a-f]+)$/m.exec(status);
    return match !== null && (BigInt(`0x${match[1]}`) & sigtermBit) !== 0n;
  } catch {
    return false;
  }
}

/** Sends a signal; a process that is gone already is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone.
  }
}
