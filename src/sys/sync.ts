import { closeSync, openSync } from "node:fs";
import { BuildError } from "../core/index.ts";
import { libc } from "./libc.ts";

interface AsyncCall {
  async(fd: number, done: (error: Error | null, result: number) => void): void;
}

let call: AsyncCall | undefined;

/** Writes everything of the filesystem that holds `path` to disk; a thread of Node's own pool waits for it. */
export async function syncFilesystem(path: string): Promise<void> {
  call ??= libc().libc.func("int syncfs(int)") as unknown as AsyncCall;
  const syncfs = call;
  const fd = openSync(path, "r");
  try {
    const result = await new Promise<number>((resolve, reject) => {
      syncfs.async(fd, (error, value) => (error === null ? resolve(value) : reject(error)));
    });
    // The thread's errno is out of reach; it can only be a failure to write.
    if (result !== 0) throw new BuildError("data-loss", `${path}: the filesystem cannot be synced to disk`);
  } finally {
    closeSync(fd);
  }
}
