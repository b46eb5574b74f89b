import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** A program to run, without a shell. */
export interface Command {
  /** The program and its arguments. */
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface Timing {
  /** Wall-clock time, start of the process to its end, in milliseconds. */
  readonly milliseconds: number;
  /** What went wrong, when it did: exit status and last lines. */
  readonly failure?: string;
}

/** Runs a command to its end and takes the time. Its output is thrown away unless it fails. */
export function time(command: Command): Timing {
  const [program = "", ...args] = command.argv;
  const start = process.hrtime.bigint();
  const result = spawnSync(program, args, {
    stdio: ["ignore", "ignore", "pipe"],
    maxBuffer: 1 << 26,
    ...(command.env && { env: command.env }),
    ...(command.cwd && { cwd: command.cwd }),
  });
  const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
  if (result.error) return { milliseconds, failure: result.error.message };
  if (result.status === 0) return { milliseconds };
  const tail = result.stderr.toString().trim().split("\n").slice(-3).join(" / ");
  return { milliseconds, failure: `exit ${result.status ?? result.signal}: ${tail}` };
}

/**
 * Runs a command to its end, and returns the most memory in bytes that its process tree had resident at once,
 * looked at every 10 ms, together with the trees of `also` (a daemon that works for it). Shared pages count in every
 * process. This disturbs the timing: never take both at once.
 */
export function peakMemory(command: Command, also: readonly number[]): Promise<number> {
  const [program = "", ...args] = command.argv;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: "ignore",
      ...(command.env && { env: command.env }),
      ...(command.cwd && { cwd: command.cwd }),
    });
    let peak = 0;
    const look = () => {
      if (child.pid !== undefined) peak = Math.max(peak, residentBytes([child.pid, ...also]));
    };
    const timer = setInterval(look, 10);
    const end = () => {
      clearInterval(timer);
      resolve(peak);
    };
    child.on("error", end);
    child.on("exit", end);
    look();
  });
}

/** Resident memory of some processes and all their descendants. */
function residentBytes(roots: readonly number[]): number {
  const children = new Map<number, number[]>();
  const resident = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!(pid > 0)) continue;
    const stat = statOf(pid);
    if (stat === undefined) continue;
    resident.set(pid, stat.resident);
    children.set(stat.parent, [...(children.get(stat.parent) ?? []), pid]);
  }
  const total = (pid: number): number =>
    (resident.get(pid) ?? 0) + (children.get(pid) ?? []).reduce((sum, child) => sum + total(child), 0);
  return roots.reduce((sum, root) => sum + total(root), 0);
}

const pageSize = 4096;

function statOf(pid: number): { parent: number; resident: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in brackets, and may hold spaces and brackets itself.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), resident: Number(fields[21]) * pageSize };
  } catch {
    return undefined;
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
