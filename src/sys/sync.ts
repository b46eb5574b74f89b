import { closeSync, openSync } from "node:fs";
import { libc, systemError } from "./libc.ts";

let call: ((fd: number) => number) | undefined;

/** Writes everything of the filesystem that holds `path` to disk. Blocks: call it in a worker. */
export function syncFilesystem(path: string): void {
  call ??= libc().libc.func("int syncfs(int)") as NonNullable<typeof call>;
  const fd = openSync(path, "r");
  try {
    if (call(fd) !== 0) throw systemError("syncfs", path);
  } finally {
    closeSync(fd);
  }
}
