import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../core/index.ts";

/** A temporary file that nobody has changed for this long belongs to a process that is dead. */
const staleAfter = 60 * 60 * 1000;

/** Loaded when something is deleted, which most commands do not. */
async function removeTree(path: string): Promise<void> {
  const stacking = await import("../stacking/index.ts");
  await stacking.removeTree(path);
}

/** Deletes what was renamed into `trash/`. Callers hold the prune lock, so that nobody is about to bring things back. */
export async function sweepTrash(root: string): Promise<void> {
  for (const name of namesIn(join(root, "trash")))
    try {
      await removeTree(join(root, "trash", name));
    } catch (error) {
      // A step's left-overs are being deleted by another process, too.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ENOTEMPTY") throw error;
    }
}

/** Deletes temporary files of processes that were killed. */
export async function sweepLeftovers(root: string, now: number = Date.now()): Promise<void> {
  const sweep = async (directory: string, pattern: RegExp) => {
    for (const name of namesIn(directory)) {
      const file = join(directory, name);
      const found = pattern.test(name) ? statSync(file, { throwIfNoEntry: false }) : undefined;
      // By the change time: a directory that is being unpacked has the modification time that its archive says.
      if (found !== undefined && now - found.ctimeMs > staleAfter) await removeTree(file);
    }
  };
  await sweep(join(root, "ingest"), /./);
  await sweep(join(root, "layers"), /^tmp-/);
  await sweep(join(root, "names"), /\.tmp$/);
  await sweep(root, /\.tmp$/);
}

const day = 24 * 60 * 60 * 1000;

/** Deletes logs of steps that are older than a week, and what was remembered of contexts that no build read for a month. */
export function sweepOld(root: string, now: number = Date.now()): void {
  sweepUnused(join(root, "logs"), now - 7 * day);
  sweepUnused(join(root, "contexts"), now - 30 * day);
}

/** Deletes files that nobody has read or written since `time`. */
function sweepUnused(directory: string, time: number): void {
  for (const name of namesIn(directory)) {
    const file = join(directory, name);
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats !== undefined && Math.max(stats.atimeMs, stats.mtimeMs) < time) rmSync(file, { force: true });
  }
}
