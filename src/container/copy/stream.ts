import { readSync } from "node:fs";
import { BuildError } from "../../core/index.ts";
import type { TarSource } from "../../layer/index.ts";

/** How far back may be read: what a tar reader reads ahead, and then some. */
const historySize = 1 << 20;
const chunkSize = 1 << 18;

/** A tar that comes through a pipe, read once from its beginning to its end; synchronous. */
export function pipeSource(fd: number): TarSource {
  let history = Buffer.alloc(0);
  /** Position of the first byte of the history. */
  let start = 0;
  let ended = false;

  const more = (): void => {
    const chunk = Buffer.allocUnsafe(chunkSize);
    const count = readPiece(fd, chunk);
    if (count === 0) ended = true;
    const kept = history.length > historySize ? history.subarray(history.length - historySize) : history;
    start += history.length - kept.length;
    history = Buffer.concat([kept, chunk.subarray(0, count)]);
  };
  return {
    size: Number.MAX_SAFE_INTEGER,
    read(target, position) {
      if (position < start) throw new BuildError("internal", "the archive was read back too far");
      while (!ended && start + history.length <= position) more();
      const at = position - start;
      const count = history.copy(
        target,
        0,
        Math.min(at, history.length),
        Math.min(at + target.length, history.length),
      );
      return count;
    },
  };
}

/** The caller's own stdin may be one that does not wait. */
function readPiece(fd: number, chunk: Buffer): number {
  for (;;) {
    try {
      return readSync(fd, chunk, 0, chunk.length, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EOF") return 0;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
