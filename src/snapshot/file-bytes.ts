import { createHash, hash } from "node:crypto";
import { readSync } from "node:fs";
import { BuildError, type BytePath, textOf, writeFully } from "../core/index.ts";
import type { FileBytes } from "./types.ts";

let buffer: Buffer | undefined;

const copyWindow = 1 << 20;

/** sha256 (32 bytes) of open file content, read synchronously. Does not close it. */
export function hashBytes(file: FileBytes): Buffer {
  buffer ??= Buffer.allocUnsafeSlow(1 << 18);
  if (file.size <= buffer.length) {
    readFully(file.fd, buffer, file.size, file.position);
    return hash("sha256", buffer.subarray(0, file.size), "buffer");
  }
  const state = createHash("sha256");
  for (let done = 0; done < file.size; ) {
    const length = Math.min(buffer.length, file.size - done);
    readFully(file.fd, buffer, length, file.position + done);
    state.update(buffer.subarray(0, length));
    done += length;
  }
  return state.digest();
}

/** Copies the content of the file at `path` of some layer to a descriptor, synchronously. Closes neither. */
export function copyBytes(file: FileBytes, path: BytePath, out: number): void {
  const window = Buffer.allocUnsafe(Math.min(copyWindow, file.size));
  for (let done = 0; done < file.size; ) {
    const length = Math.min(window.length, file.size - done);
    const count = readSync(file.fd, window, 0, length, file.position + done);
    if (count === 0) throw new BuildError("data-loss", `${textOf(path)} is shorter than its index says`);
    writeFully(out, window.subarray(0, count));
    done += count;
  }
}

/** Fills the first `length` bytes of `target`; throws `data-loss` when the file ends before. */
export function readFully(fd: number, target: Uint8Array, length: number, position: number): void {
  for (let done = 0; done < length; ) {
    const count = readSync(fd, target, done, length - done, position + done);
    if (count === 0) throw new BuildError("data-loss", "a file is shorter than its layer's index says");
    done += count;
  }
}
