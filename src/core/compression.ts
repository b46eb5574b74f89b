import { createHash } from "node:crypto";
import { closeSync, openSync, rmSync, statSync } from "node:fs";
import { writeFully } from "./bytes.ts";
import { combineCrc32 } from "./crc.ts";
import type { Descriptor } from "./descriptor.ts";
import { poolSize, runInWorker, workerFile } from "./worker-pool.ts";

export type CompressionAlgorithm = "gzip" | "zstd";

export interface CompressTask {
  readonly file: string;
  readonly position: number;
  readonly length: number;
  readonly last: boolean;
  readonly algorithm: CompressionAlgorithm;
  readonly level: number;
}

export interface CompressedChunk {
  readonly bytes: Uint8Array;
  /** CRC-32 of what was compressed. */
  readonly crc: number;
}

/** Part of the result's identity: another size gives other bytes. */
const chunkSize = 1 << 20;

/** What Docker and BuildKit use when they are not told. */
const defaultLevels = { gzip: 6, zstd: 3 } as const;

const entry = workerFile("compression-worker", import.meta.url);

/**
 * Compresses a file into `target`, chunk by chunk in worker threads. The same content gives the same bytes on every machine with
 * the same Node. Gzip output is one member, made of blocks that each end in a full flush, so that every reader
 * takes it; zstd output is one frame per chunk. Returns digest and size of the result; leaves nothing when it fails.
 */
export async function compressFile(
  file: string,
  target: string,
  algorithm: CompressionAlgorithm,
  options: { level?: number; signal?: AbortSignal | undefined } = {},
): Promise<Pick<Descriptor, "digest" | "size">> {
  const { level = defaultLevels[algorithm], signal } = options;
  const total = statSync(file).size;
  const hash = createHash("sha256");
  const out = openSync(target, "wx", 0o600);
  let size = 0;
  const write = (bytes: Uint8Array): void => {
    hash.update(bytes);
    writeFully(out, bytes);
    size += bytes.length;
  };
  try {
    if (algorithm === "gzip") write(gzipHeader(level));
    let crc = 0;
    for await (const { chunk, length } of chunks(total, (position, length) =>
      runInWorker<CompressedChunk>(
        entry,
        "compress",
        {
          file,
          position,
          length,
          last: position + length === total,
          algorithm,
          level,
        } satisfies CompressTask,
        { signal },
      ),
    )) {
      write(chunk.bytes);
      crc = combineCrc32(crc, chunk.crc, length);
    }
    if (algorithm === "gzip") write(gzipTrailer(crc, total));
  } catch (error) {
    rmSync(target, { force: true });
    throw error;
  } finally {
    closeSync(out);
  }
  return { digest: `sha256:${hash.digest("hex")}`, size };
}

/** Runs the chunks in parallel, a few ahead of the one that is written, and yields them in order. */
async function* chunks(
  total: number,
  compress: (position: number, length: number) => Promise<CompressedChunk>,
): AsyncGenerator<{ chunk: CompressedChunk; length: number }> {
  const ahead: { result: Promise<CompressedChunk>; length: number }[] = [];
  let position = 0;
  do {
    while (ahead.length < 2 * poolSize && (position < total || total === 0)) {
      const length = Math.min(chunkSize, total - position);
      const result = compress(position, length);
      result.catch(() => {}); // reported when its turn comes
      ahead.push({ result, length });
      position += length;
      if (total === 0) break;
    }
    const next = ahead.shift()!;
    yield { chunk: await next.result, length: next.length };
  } while (ahead.length > 0 || position < total);
}

/** No name, no time; the extra flag says how hard the compressor tried, the system is unknown. */
function gzipHeader(level: number): Uint8Array {
  const effort = level === 9 ? 2 : level === 1 ? 4 : 0;
  return Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 255);
}

function gzipTrailer(crc: number, size: number): Uint8Array {
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  return trailer;
}
