import { readdirSync, readFileSync } from "node:fs";

const sigtermBit = 1n << 14n;

/** Process ids of all descendants of a process, parents first, as this process's own /proc shows them. */
function descendants(pid: number): number[] {
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

/**
 * The container runtime of a chain: its first process, or a child of that beside what connects the network. Undefined as
 * long as there is none.
 */
export function runtimeBelow(first: number): number | undefined {
  return [first, ...childrenOf(first)].find(isRuntime);
}

function isRuntime(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("\0run\0--bundle\0");
  } catch {
    return false;
  }
}

/** Descendants of a container runtime that are in a pid namespace below its own, parents first. */
export function containedIn(runtime: number): number[] {
  const depth = describe(runtime)?.depth ?? 0;
  return descendants(runtime).filter((pid) => (describe(pid)?.depth ?? 0) > depth);
}

/**
 * The first descendant of a container runtime that is in a pid namespace below the runtime's own: the container's first
 * process. Undefined until that runs the program it was made for.
 */
export function programOf(runtime: number): number | undefined {
  const own = describe(runtime);
  if (own === undefined) return undefined;
  for (const pid of descendants(runtime)) {
    const found = describe(pid);
    if (found === undefined || found.depth <= own.depth) continue;
    // The runtime makes the process as a copy of itself, which then becomes the program.
    const maker = describe(found.parent)?.name;
    return found.name === maker || /^(crun|runc)(:|$)/.test(found.name) ? undefined : pid;
  }
  return undefined;
}

interface Description {
  readonly name: string;
  readonly parent: number;
  /** In how many pid namespaces it is. */
  readonly depth: number;
}

function describe(pid: number): Description | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const ids = /^NSpid:(.*)$/m.exec(status)?.[1]?.trim().split(/\s+/) ?? [];
    return {
      name: /^Name:\t(.*)$/m.exec(status)?.[1] ?? "",
      parent: Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]),
      depth: ids.length,
    };
  } catch {
    return undefined;
  }
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
