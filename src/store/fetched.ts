import { mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../core/index.ts";
import { tryLock } from "../names/index.ts";
import { treeSize } from "./tree-size.ts";

/**
 * Renames the clones of git repositories (`remote/git/<hex>`) into `batch`, but those that a build uses now, and forgets what
 * servers said of downloads. Returns how many bytes that frees.
 */
export function pruneFetched(
  root: string,
  batch: string,
  {
    until = Number.POSITIVE_INFINITY,
    dryRun = false,
  }: { readonly until?: number; readonly dryRun?: boolean },
): number {
  const old = (path: string) => {
    const changed = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    return changed !== undefined && changed < until;
  };
  let bytes = 0;
  const clones = join(root, "remote", "git");
  for (const name of namesIn(clones).filter((entry) => /^[0-9a-f]{64}(\.new)?$/.test(entry))) {
    const clone = join(clones, name);
    const held = old(clone) ? tryLock(`${clone.replace(/\.new$/, "")}.lock`, "exclusive") : undefined;
    if (held === undefined) continue;
    try {
      bytes += treeSize(clone);
      if (dryRun) continue;
      mkdirSync(batch, { recursive: true, mode: 0o700 });
      renameSync(clone, join(batch, `clone-${name}`));
    } finally {
      held.release();
    }
  }
  const downloads = join(root, "remote", "http");
  for (const name of namesIn(downloads)) {
    const file = join(downloads, name);
    if (!old(file)) continue;
    bytes += treeSize(file);
    if (!dryRun) rmSync(file, { force: true });
  }
  return bytes;
}
