import { createHash } from "node:crypto";
import { closeSync, createReadStream, openSync, rmSync } from "node:fs";
import type { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { BuildError, compressionOfFile, type Digest, writeFully } from "../core/index.ts";

export type Compression = "none" | "gzip" | "zstd";

const pieceSize = 1 << 18;

/** Tells by the first bytes how a blob is compressed; everything unknown counts as a plain tar. Refuses xz and bzip2. */
export function compressionOf(file: string): Compression {
  const compression = compressionOfFile(file) ?? "none";
  if (compression !== "xz" && compression !== "bzip2") return compression;
  throw new BuildError("unimplemented", `it is compressed with ${compression}, which is not supported`, {
    hint: "decompress it first; gzip and zstd are understood",
  });
}

/** Decompresses a file into `target` while hashing. Nothing is left at `target` when it fails. */
export async function inflate(input: {
  file: string;
  target: string;
  compression: Exclude<Compression, "none">;
  /** What the result must be; more is not written than what is needed to know better. */
  diffId?: Digest;
}): Promise<{ diffId: Digest; size: number }> {
  const { file, target, compression } = input;
  const options = { chunkSize: pieceSize };
  const decoder: Transform = compression === "gzip" ? createGunzip(options) : createZstdDecompress(options);
  const hash = createHash("sha256");
  const out = openSync(target, "wx", 0o600);
  let size = 0;
  let phase = "reading";
  try {
    await pipeline(createReadStream(file, { highWaterMark: pieceSize }), decoder, async (pieces) => {
      for await (const piece of pieces as AsyncIterable<Buffer>) {
        phase = "writing";
        hash.update(piece);
        writeFully(out, piece);
        size += piece.length;
        phase = "reading";
      }
    });
    const diffId: Digest = `sha256:${hash.digest("hex")}`;
    if (input.diffId !== undefined && diffId !== input.diffId)
      throw new BuildError("data-loss", `layer content has digest ${diffId} instead of ${input.diffId}`);
    return { diffId, size };
  } catch (error) {
    rmSync(target, { force: true });
    if (error instanceof BuildError || phase === "writing") throw error;
    throw new BuildError("data-loss", `damaged ${compression} data: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    closeSync(out);
  }
}
