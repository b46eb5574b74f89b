import { closeSync, openSync, readSync } from "node:fs";
import { constants, crc32, deflateRawSync, zstdCompressSync } from "node:zlib";
import type { CompressedChunk, CompressTask } from "./compression.ts";
import { BuildError } from "./errors.ts";
import { serveTasks, withTransfer } from "./worker-pool.ts";

serveTasks({ compress });

let input: Buffer<ArrayBuffer> | undefined;

function compress(task: CompressTask): CompressedChunk {
  const { file, position, length, last, algorithm, level } = task;
  if (input === undefined || input.length < length) input = Buffer.allocUnsafeSlow(length);
  const raw = input.subarray(0, length);
  readChunk(file, raw, position);
  const flush = last ? constants.Z_FINISH : constants.Z_FULL_FLUSH;
  const packed =
    algorithm === "gzip"
      ? deflateRawSync(raw, { level, chunkSize: length + 1024, finishFlush: flush })
      : zstdCompressSync(raw, { params: { [constants.ZSTD_c_compressionLevel]: level } });
  const bytes = new Uint8Array(packed); // its own memory, so that it can be moved
  return withTransfer({ bytes, crc: crc32(raw) }, [bytes.buffer]);
}

function readChunk(file: string, target: Buffer, position: number): void {
  const fd = openSync(file, "r");
  try {
    for (let done = 0; done < target.length; ) {
      const count = readSync(fd, target, done, target.length - done, position + done);
      if (count === 0) throw new BuildError("data-loss", `${file} became shorter while it was compressed`);
      done += count;
    }
  } finally {
    closeSync(fd);
  }
}
