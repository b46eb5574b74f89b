import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../core/index.ts";

/** Loaded when something is deleted, which most commands do not. */
export async function removeTree(path: string): Promise<void> {
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

const day = 24 * 60 * 60 * 1000;

/** Deletes logs of steps that are older than a week, and what was remembered of contexts that no build read for a month. */
export function sweepOld(root: string): void {
  const now = Date.now();
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
