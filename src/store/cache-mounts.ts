import { mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../core/index.ts";
import { tryLock } from "../names/index.ts";
import { treeSize } from "./tree-size.ts";

export interface CacheMountPruning {
  /** Spares what was changed after this time, in milliseconds since the epoch. */
  readonly until?: number;
  readonly dryRun?: boolean;
}

/**
 * Renames the directories of cache mounts (`cachemounts/<name>/<n>`) into `batch`, but those that a step uses now: it holds
 * their lock. Returns how many bytes that frees.
 */
export function pruneCacheMounts(root: string, batch: string, options: CacheMountPruning): number {
  let bytes = 0;
  for (const name of namesIn(join(root, "cachemounts"))) {
    const parent = join(root, "cachemounts", name);
    for (const number of namesIn(parent).filter((entry) => /^\d+$/.test(entry))) {
      const directory = join(parent, number);
      const changed = statSync(directory, { throwIfNoEntry: false })?.mtimeMs;
      if (changed === undefined || changed >= (options.until ?? Number.POSITIVE_INFINITY)) continue;
      const held = tryLock(join(parent, `${number}.lock`), "exclusive");
      if (held === undefined) continue;
      try {
        bytes += treeSize(directory);
        if (options.dryRun) continue;
        mkdirSync(batch, { recursive: true, mode: 0o700 });
        renameSync(directory, join(batch, `cachemount-${name}-${number}`));
      } finally {
        held.release();
      }
    }
  }
  return bytes;
}
