import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { replaceFile } from "../core/index.ts";

/** What a file must still be for its digest to be believed. Times in milliseconds, with fractions. */
export interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
  readonly size: number;
  readonly mtime: number;
  readonly ctime: number;
}

/** Digests (sha256, 32 bytes) of files of one host directory, kept between builds. */
export interface DigestMemo {
  /** Whether it held nothing when it was opened. */
  readonly isEmpty: boolean;
  get(file: FileIdentity): Uint8Array | undefined;
  /**
   * Remembers a digest. `read` is when the file was read: one that changed less than two seconds before it could
   * change again without its times showing it, and is left out.
   */
  add(file: FileIdentity, sha256: Uint8Array, read: number): void;
  /** Writes the memo if something was added. A failure to write only costs the next build time. */
  save(): void;
}

const magic = "stagewright digests 1\n";
const headerSize = magic.length + 8;
const recordSize = 5 * 8 + 32;

/** How old a file's times must be, in milliseconds: coarser than the timestamps of any filesystem in use. */
export const settled = 2000;

/** Entries of files that no build asked for are dropped beyond this many. */
const idleLimit = 20_000;

/**
 * Opens the memo in `file`. One that is missing, damaged or of another version is empty. Several processes may have it
 * open; the last to save wins.
 */
export function openMemo(file: string): DigestMemo {
  const records = readRecords(file);
  const index = indexOf(records);
  const used = new Set<number>();
  const added = growingRecords();
  return {
    isEmpty: records.length === 0,
    get(wanted) {
      for (let slot = slotOf(wanted.ino, index.length); ; slot = (slot + 1) % index.length) {
        const at = index[slot]!;
        if (at < 0) return undefined;
        if (!matches(records, at, wanted)) continue;
        used.add(at);
        return records.subarray(at + 40, at + 72);
      }
    },
    add(wanted, sha256, read) {
      if (Math.max(wanted.mtime, wanted.ctime) > read - settled) return;
      added.push(wanted, sha256);
    },
    save() {
      const fresh = added.take();
      if (fresh.length > 0) writeRecords(file, records, used, fresh);
    },
  };
}

function readRecords(file: string): Buffer {
  const empty = Buffer.alloc(0);
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return empty;
  }
  if (bytes.length < headerSize || bytes.toString("latin1", 0, magic.length) !== magic) return empty;
  const records = bytes.subarray(headerSize);
  const sound = records.length % recordSize === 0 && crc32(records) === bytes.readUInt32LE(magic.length);
  return sound ? records : empty;
}

/** Open-addressing table from inode number to the offset of a record. */
function indexOf(records: Buffer): Int32Array {
  const count = records.length / recordSize;
  const index = new Int32Array(2 * count + 1).fill(-1);
  for (let at = 0; at < records.length; at += recordSize) {
    let slot = slotOf(records.readDoubleLE(at + 8), index.length);
    while (index[slot]! >= 0) slot = (slot + 1) % index.length;
    index[slot] = at;
  }
  return index;
}

function slotOf(ino: number, slots: number): number {
  return (ino * 7) % slots;
}

function matches(records: Buffer, at: number, file: FileIdentity): boolean {
  return (
    records.readDoubleLE(at + 8) === file.ino &&
    records.readDoubleLE(at) === file.dev &&
    records.readDoubleLE(at + 16) === file.size &&
    records.readDoubleLE(at + 24) === file.mtime &&
    records.readDoubleLE(at + 32) === file.ctime
  );
}

function writeRecords(file: string, old: Buffer, used: ReadonlySet<number>, added: Buffer): void {
  const kept: Uint8Array[] = [];
  let idle = idleLimit;
  for (let at = 0; at < old.length; at += recordSize)
    if (used.has(at) || idle-- > 0) kept.push(old.subarray(at, at + recordSize));
  const records = Buffer.concat([...kept, added]);
  const header = Buffer.alloc(headerSize);
  header.write(magic, "latin1");
  header.writeUInt32LE(crc32(records), magic.length);
  try {
    mkdirSync(dirname(file), { recursive: true });
    replaceFile(file, Buffer.concat([header, records]));
  } catch {
    // The next build hashes the files again.
  }
}

/** Records in one buffer that doubles when it is full. */
function growingRecords() {
  let bytes = Buffer.alloc(0);
  let used = 0;
  return {
    push(file: FileIdentity, sha256: Uint8Array): void {
      if (used + recordSize > bytes.length)
        bytes = Buffer.concat([bytes], Math.max(64 * recordSize, 2 * bytes.length));
      bytes.writeDoubleLE(file.dev, used);
      bytes.writeDoubleLE(file.ino, used + 8);
      bytes.writeDoubleLE(file.size, used + 16);
      bytes.writeDoubleLE(file.mtime, used + 24);
      bytes.writeDoubleLE(file.ctime, used + 32);
      bytes.set(sha256, used + 40);
      used += recordSize;
    },
    /** What was pushed; stays for the next save, which writes the whole file again. */
    take: () => bytes.subarray(0, used),
  };
}
