import { libc, resultOrErrno, systemError } from "./libc.ts";

const operations = { shared: 1, exclusive: 2 } as const;
const nonBlocking = 4;
/** EWOULDBLOCK of Linux. */
const wouldBlock = 11;

let flock: ((descriptor: number, operation: number) => number) | undefined;

function call(descriptor: number, operation: number): boolean {
  flock ??= libc().libc.func("int flock(int, int)") as (descriptor: number, operation: number) => number;
  const lock = flock;
  const result = resultOrErrno(() => lock(descriptor, operation), [wouldBlock]);
  if (result >= 0) return true;
  if (result === -wouldBlock) return false;
  throw systemError("flock", undefined, -result);
}

/**
 * Takes an flock(2) on an open file without waiting; `false` when another process (or another open of the same file)
 * holds it. It is gone when the last copy of the descriptor is closed, so also when the process dies; Node
 * opens files close-on-exec, so children do not keep it.
 */
export function tryFlock(descriptor: number, mode: "shared" | "exclusive"): boolean {
  return call(descriptor, operations[mode] | nonBlocking);
}
