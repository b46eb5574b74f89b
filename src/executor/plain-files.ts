/** Files and directories that a step sees, whatever the umask of the caller is. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";

/** A directory that everybody may enter; returns its path. */
export function makeDirectory(path: string): string {
  mkdirSync(path);
  chmodSync(path, 0o755);
  return path;
}

/** A file that everybody may read. */
export function writePlainFile(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o644);
}
