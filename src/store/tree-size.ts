import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Sum of the sizes of all files below a directory; what vanishes meanwhile, or is a subordinate id's alone, does not count. */
export function treeSize(path: string): number {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return 0;
  if (!found.isDirectory()) return found.size;
  try {
    return readdirSync(path).reduce((total, name) => total + treeSize(join(path, name)), 0);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EACCES") return 0;
    throw error;
  }
}
