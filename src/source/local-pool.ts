import { poolSize, runInWorker } from "../core/index.ts";
import type { FileHashes, FileToHash } from "./local-hash.ts";
import type { TreeTable } from "./local-table.ts";
import type { HashTask, ScanTask } from "./local-tasks.ts";

const entry = new URL(
  import.meta.url.endsWith(".ts") ? "./local-worker.ts" : "./local-worker.js",
  import.meta.url,
);

/** Scans a large directory without holding up the main thread. */
export function scanInWorker(task: ScanTask, signal?: AbortSignal): Promise<TreeTable> {
  return runInWorker(entry, "scan", task, { signal });
}

/** Hashes many files, with as many threads as the machine has processors. */
export async function hashInWorkers(files: readonly FileToHash[], signal?: AbortSignal): Promise<FileHashes> {
  const shares = sharesOf(files, poolSize);
  const hashes = await Promise.all(
    shares.map((share) => {
      const task: HashTask = { kind: "hash", files: share };
      return runInWorker<FileHashes>(entry, "hash", task, { signal });
    }),
  );
  let first = 0;
  const changed = hashes.flatMap((part, i) => {
    const moved = part.changed.map((file) => ({ ...file, index: file.index + first }));
    first += shares[i]!.length;
    return moved;
  });
  return { digests: Buffer.concat(hashes.map((part) => part.digests)), changed };
}

/** What opening and closing a file costs, in bytes that could be hashed in that time. */
const costOfFile = 16 << 10;

/** Splits files into runs of about the same work. */
function sharesOf(files: readonly FileToHash[], count: number): FileToHash[][] {
  const total = files.reduce((sum, file) => sum + file.size + costOfFile, 0);
  const shares: FileToHash[][] = [[]];
  let work = 0;
  for (const file of files) {
    if (work >= (total * shares.length) / count) shares.push([]);
    shares.at(-1)!.push(file);
    work += file.size + costOfFile;
  }
  return shares;
}
