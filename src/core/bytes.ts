import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import type { Descriptor } from "./descriptor.ts";
import { BuildError } from "./errors.ts";

/** A stream of bytes that is read once. Chunks belong to the reader. */
export type Bytes = AsyncIterable<Uint8Array>;

/**
 * Passes bytes through and throws `data-loss` at the first byte too many, or at the end when the size or
 * digest is not `expected`'s.
 */
export async function* verified(data: Bytes, expected: Pick<Descriptor, "digest" | "size">): Bytes {
  const state = createHash("sha256");
  let size = 0;
  for await (const chunk of data) {
    size += chunk.length;
    if (size > expected.size)
      throw new BuildError("data-loss", `${expected.digest}: more than ${expected.size} bytes`);
    state.update(chunk);
    yield chunk;
  }
  if (size !== expected.size)
    throw new BuildError("data-loss", `${expected.digest}: ${size} bytes instead of ${expected.size}`);
  const actual = `sha256:${state.digest("hex")}`;
  if (actual !== expected.digest)
    throw new BuildError("data-loss", `content has digest ${actual} instead of ${expected.digest}`);
}

/** Reads a stream into memory; throws `resource-exhausted` beyond `limit` bytes. */
export async function collect(data: Bytes, limit: number, what = "content"): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of data) {
    size += chunk.length;
    if (size > limit) throw new BuildError("resource-exhausted", `${what} is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** Writes all of `bytes` to a descriptor, synchronously. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}
