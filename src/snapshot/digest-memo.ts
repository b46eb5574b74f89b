import { appendFileSync, readFileSync } from "node:fs";
import { crc32 } from "node:zlib";

/** Record number, sha256, CRC-32 of both: 40 bytes. */
const lineSize = 40;

/**
 * Digests of files that were computed after an index was made, in a file that is only ever appended to. Each line
 * carries a CRC seeded with the index's own, so lines of another index, torn lines and lines that were written by two
 * processes at once do no harm.
 */
export interface DigestMemo {
  get(record: number): Uint8Array | undefined;
  set(record: number, digest: Uint8Array): void;
  save(): void;
}

/** Opens the digests beside an index; those of another index (`indexCrc`) are forgotten. Without a file nothing is kept. */
export function openDigestMemo(file: string | undefined, indexCrc: number): DigestMemo {
  let known: Map<number, Uint8Array> | undefined;
  let fresh: [number, Uint8Array][] = [];
  const load = () => {
    known ??= file === undefined ? new Map() : read(file, indexCrc);
    return known;
  };
  return {
    get: (record) => load().get(record),
    set(record, digest) {
      load().set(record, digest);
      fresh.push([record, digest]);
    },
    save() {
      if (file === undefined || fresh.length === 0) return;
      const lines = Buffer.concat(fresh.map(([record, digest]) => line(record, digest, indexCrc)));
      fresh = [];
      try {
        appendFileSync(file, lines);
      } catch {
        // Someone else's store, or a full disk: the digests are computed again next time.
      }
    },
  };
}

function line(record: number, digest: Uint8Array, seed: number): Buffer {
  const bytes = Buffer.alloc(lineSize);
  bytes.writeUInt32LE(record, 0);
  bytes.set(digest, 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 36), seed), 36);
  return bytes;
}

function read(file: string, seed: number): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return found; // only a memo: what cannot be read is computed again
  }
  for (let at = 0; at + lineSize <= bytes.length; at += lineSize) {
    if (crc32(bytes.subarray(at, at + 36), seed) !== bytes.readUInt32LE(at + 36)) continue;
    found.set(bytes.readUInt32LE(at), bytes.subarray(at + 4, at + 36));
  }
  return found;
}
