import { setImmediate } from "node:timers/promises";
import { poolSize, runInWorker, workerFile } from "../core/index.ts";
import { comparer, isComplete, newComparison } from "./local-compare.ts";
import type { FileHashes, FilesToHash } from "./local-hash.ts";
import type { TreeTable } from "./local-table.ts";
import { type ComparisonTask, filterOf, type ScanTask } from "./local-tasks.ts";

const entry = workerFile("local-worker", import.meta.url);

/** Scans a large directory without holding up the main thread. */
export function scanInWorker(task: ScanTask, signal?: AbortSignal): Promise<TreeTable> {
  return runInWorker(entry, "scan", task, { signal });
}

/** For how long the main thread does nothing else, in milliseconds. */
const slice = 20;

/**
 * Compares the directories of a kept scan with the host's, with as many threads as the machine has processors; this one is
 * the first, for the others take their time to start. Returns by row whether a directory is the same.
 */
export async function compareInThreads(
  { task, kept, table }: { task: ScanTask; kept: Uint8Array<SharedArrayBuffer>; table: TreeTable },
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const comparison = newComparison(table);
  const input: ComparisonTask = { task, kept, comparison };
  const others = Array.from({ length: poolSize - 1 }, () => runInWorker(entry, "compare", input, { signal }));
  const ended = Promise.allSettled(others); // what one that failed has not done counts as changed
  const compare = comparer(task.root, table, filterOf(task), comparison);
  while (compare(performance.now() + slice)) await setImmediate();
  if (!isComplete(comparison)) await ended;
  return comparison.same;
}

/** Hashes many files, with as many threads as the machine has processors. */
export async function hashInWorkers(
  { root, paths }: FilesToHash,
  sizes: readonly number[],
  signal?: AbortSignal,
): Promise<FileHashes> {
  const hashes = await Promise.all(
    sharesOf(sizes, poolSize).map(([start, end]) => {
      const task: FilesToHash = { root, paths: paths.slice(start, end) };
      return runInWorker<FileHashes>(entry, "hash", task, { signal });
    }),
  );
  const digests = new Uint8Array(32 * paths.length);
  const stats = new Float64Array(3 * paths.length);
  let first = 0;
  for (const part of hashes) {
    digests.set(part.digests, 32 * first);
    stats.set(part.stats, 3 * first);
    first += part.digests.length / 32;
  }
  return { digests, stats };
}

/** What opening and closing a file costs, in bytes that could be hashed in that time. */
const costOfFile = 16 << 10;

/** Splits files into runs (start and end) of about the same work. */
function sharesOf(sizes: readonly number[], count: number): [number, number][] {
  const total = sizes.reduce((sum, size) => sum + size + costOfFile, 0);
  const shares: [number, number][] = [];
  let start = 0;
  let work = 0;
  sizes.forEach((size, i) => {
    work += size + costOfFile;
    const isLast = i === sizes.length - 1;
    if (!isLast && work < (total * (shares.length + 1)) / count) return;
    shares.push([start, i + 1]);
    start = i + 1;
  });
  return shares;
}
