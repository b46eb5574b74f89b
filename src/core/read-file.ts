import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bytes } from "./bytes.ts";
import { BuildError } from "./errors.ts";

/** Milliseconds between two looks at a pipe that has nothing yet. */
const pause = 10;

/**
 * The content of a file that a user names; undefined when it has more than `limit` bytes, of which no more are read than tell.
 * A pipe (`<(…)`) is read to its end, while this thread waits. Throws for what cannot be read, without the file's name: that
 * is for the caller to add.
 */
export function readFileWithin(path: string, limit: number): Buffer | undefined {
  const reading = readingOf(path, limit);
  for (;;) {
    const { done, value } = reading.next();
    if (done) return value;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
  }
}

/** As `readFileWithin`, but other things go on while a pipe has nothing. Throws when the signal aborts. */
export async function readFileWithinLater(
  path: string,
  limit: number,
  signal?: AbortSignal,
): Promise<Buffer | undefined> {
  const reading = readingOf(path, limit);
  try {
    for (;;) {
      const { done, value } = reading.next();
      if (done) return value;
      await sleep(pause, undefined, signal === undefined ? {} : { signal });
    }
  } finally {
    reading.return(undefined);
  }
}

/** Yields where there is nothing to read yet. Opening without waiting is what keeps a pipe without a writer from blocking. */
function* readingOf(path: string, limit: number): Generator<undefined, Buffer | undefined> {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(descriptor);
    if (stats.isDirectory()) throw new BuildError("invalid-argument", "it is a directory");
    const chunks: Buffer[] = [];
    let size = 0;
    while (size <= limit) {
      const chunk = Buffer.allocUnsafe(Math.min(64 * 1024, limit + 1 - size));
      const count = readAvailable(descriptor, chunk);
      if (count === undefined) yield;
      else if (count > 0) {
        chunks.push(chunk.subarray(0, count));
        size += count;
      } else if (size === 0 && stats.isFIFO())
        throw new BuildError("failed-precondition", "it is a pipe that nobody writes to");
      else return Buffer.concat(chunks, size);
    }
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The bytes of a file of any size that a user names, as they come; those of a pipe when somebody writes to it. Throws for a
 * directory.
 */
export async function* fileBytes(path: string, signal?: AbortSignal): Bytes {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stats = fstatSync(descriptor);
  if (stats.isDirectory()) {
    closeSync(descriptor);
    throw new BuildError("invalid-argument", `${path} is a directory`);
  }
  const options = { fd: descriptor, highWaterMark: 256 * 1024, ...(signal && { signal }) };
  if (!stats.isFIFO()) return yield* createReadStream(path, options);
  // Only a socket waits for a pipe without a thread that nothing could end.
  const { Socket } = await import("node:net");
  yield* new Socket({ ...options, readable: true, writable: false });
}

/** Number of bytes; undefined when there are none yet. */
function readAvailable(descriptor: number, chunk: Buffer): number | undefined {
  try {
    return readSync(descriptor, chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return undefined;
    throw error;
  }
}
