/**
 * The binary index of a layer: every path with its metadata, sorted by the bytes of the paths, in one buffer that is
 * read whole and decoded record by record when asked. Little endian:
 *
 *     header   64 bytes: magic, version, count, flags, sizes of the sections, totals, CRC-32 of everything else
 *     records  48 bytes each
 *     digests  32 bytes each, zeros where there is none; only with `flags.digests`
 *     heap     paths, then what few entries have: link targets, device numbers, xattrs
 *
 * Every ancestor of a path is present as a directory (implied ones are marked), so a path that is not found is
 * explained by its deepest ancestor that is.
 */
import { crc32 } from "node:zlib";
import type { BytePath } from "../core/index.ts";
import type { EntryType, LayerEntry } from "./types.ts";

export const indexVersion = 1;
export const headerSize = 64;
export const recordSize = 48;
export const digestSize = 32;
export const magic = 0x58_49_57_53; // "SWIX"

/** Order of the type byte. `whiteout` is no entry: it hides the path in the layers below. */
const recordTypes = [
  "file",
  "directory",
  "symlink",
  "hardlink",
  "char",
  "block",
  "fifo",
  "whiteout",
] as const;
export type RecordType = (typeof recordTypes)[number];
export const typeNumber = Object.fromEntries(recordTypes.map((type, i) => [type, i])) as Record<
  RecordType,
  number
>;

/** Bits of the header's flags. */
export const indexFlags = { digests: 1, hides: 2, dependsOnLower: 4 } as const;
/** Bits of a record's flags. */
export const recordFlags = { opaque: 1, implied: 2 } as const;

/** Offsets in the header. */
export const headerAt = {
  magic: 0,
  version: 4,
  count: 8,
  flags: 12,
  heapSize: 16,
  entryCount: 20,
  contentSize: 24,
  crc: 60,
} as const;

/** Offsets in a record. Sizes, times and positions are doubles: whole numbers up to 2^53. */
export const recordAt = {
  pathOffset: 0,
  pathLength: 4,
  type: 6,
  flags: 7,
  mode: 8,
  uid: 12,
  gid: 16,
  extra: 20,
  size: 24,
  mtime: 32,
  position: 40,
} as const;

/** A loaded index. */
export interface LayerIndex {
  readonly bytes: Buffer;
  readonly count: number;
  readonly flags: number;
  /** What a memo of digests is bound to: two indexes of the same layer have the same one. */
  readonly crc: number;
  /** Members of the layer: entries and whiteouts, without implied directories. */
  readonly entryCount: number;
  readonly contentSize: number;
  readonly heap: number;
  /** Where the last search ended: files are mostly asked for in order. */
  readonly cursor: { at: number };
}

/** CRC of an index's bytes, the field that holds it left out. */
export function indexCrc(bytes: Buffer): number {
  return crc32(bytes.subarray(headerSize), crc32(bytes.subarray(0, headerAt.crc)));
}

/** Checks and opens an index; `undefined` when the bytes are not a whole index of this version. */
export function parseIndex(bytes: Buffer): LayerIndex | undefined {
  if (bytes.length < headerSize || bytes.readUInt32LE(headerAt.magic) !== magic) return undefined;
  if (bytes.readUInt32LE(headerAt.version) !== indexVersion) return undefined;
  const count = bytes.readUInt32LE(headerAt.count);
  const flags = bytes.readUInt32LE(headerAt.flags);
  const heap = headerSize + count * (recordSize + (flags & indexFlags.digests ? digestSize : 0));
  if (bytes.length !== heap + bytes.readUInt32LE(headerAt.heapSize)) return undefined;
  const crc = bytes.readUInt32LE(headerAt.crc);
  if (indexCrc(bytes) !== crc) return undefined;
  return {
    bytes,
    count,
    flags,
    crc,
    heap,
    cursor: { at: 0 },
    entryCount: bytes.readUInt32LE(headerAt.entryCount),
    contentSize: bytes.readDoubleLE(headerAt.contentSize),
  };
}

/** Number of the first record whose path is not less than `key`, at or after `from`. */
export function lowerBound(index: LayerIndex, key: Buffer, from = 0): number {
  let low = from;
  let high = index.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (comparePath(index, middle, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Number of the record at `path`, or -1. */
export function findRecord(index: LayerIndex, path: BytePath): number {
  const key = Buffer.from(path, "latin1");
  const { cursor, count } = index;
  for (let near = cursor.at; near < count && near < cursor.at + 2; near++)
    if (comparePath(index, near, key) === 0) {
      cursor.at = near;
      return near;
    }
  const found = lowerBound(index, key);
  if (found === count || comparePath(index, found, key) !== 0) return -1;
  cursor.at = found;
  return found;
}

function comparePath(index: LayerIndex, record: number, key: Buffer): number {
  const { bytes } = index;
  const at = headerSize + record * recordSize;
  const start = index.heap + bytes.readUInt32LE(at + recordAt.pathOffset);
  return bytes.compare(key, 0, key.length, start, start + bytes.readUInt16LE(at + recordAt.pathLength));
}

/** Path of the entry. */
export function pathAt(index: LayerIndex, record: number): BytePath {
  const { bytes } = index;
  const at = headerSize + record * recordSize;
  const start = index.heap + bytes.readUInt32LE(at + recordAt.pathOffset);
  return bytes.toString("latin1", start, start + bytes.readUInt16LE(at + recordAt.pathLength));
}

/** Type of the entry. */
export function typeAt(index: LayerIndex, record: number): RecordType {
  return recordTypes[index.bytes[headerSize + record * recordSize + recordAt.type]!]!;
}

/** `recordFlags` of the entry. */
export function flagsAt(index: LayerIndex, record: number): number {
  return index.bytes[headerSize + record * recordSize + recordAt.flags]!;
}

/** Where a file's bytes start in the tar; 0 in the index of a directory. */
export function positionAt(index: LayerIndex, record: number): number {
  return index.bytes.readDoubleLE(headerSize + record * recordSize + recordAt.position);
}

/** The digest that the index holds for a file, if it does. Shares the index's memory. */
export function digestAt(index: LayerIndex, record: number): Buffer | undefined {
  if (!(index.flags & indexFlags.digests)) return undefined;
  const at = headerSize + index.count * recordSize + record * digestSize;
  const digest = index.bytes.subarray(at, at + digestSize);
  return digest.some((byte) => byte !== 0) ? digest : undefined;
}

/** Decodes a record that is an entry (not a whiteout). */
export function entryAt(index: LayerIndex, record: number, path = pathAt(index, record)): LayerEntry {
  const { bytes } = index;
  const at = headerSize + record * recordSize;
  const type = recordTypes[bytes[at + recordAt.type]!] as EntryType;
  const extra = bytes.readUInt32LE(at + recordAt.extra);
  const entry: LayerEntry = {
    path,
    type,
    mode: bytes.readUInt32LE(at + recordAt.mode),
    uid: bytes.readUInt32LE(at + recordAt.uid),
    gid: bytes.readUInt32LE(at + recordAt.gid),
    size: bytes.readDoubleLE(at + recordAt.size),
    mtime: bytes.readDoubleLE(at + recordAt.mtime),
    linkname: "",
    devMajor: 0,
    devMinor: 0,
  };
  if (extra !== 0) Object.assign(entry, readExtra(bytes, index.heap + extra));
  if (bytes[at + recordAt.flags]! & recordFlags.implied) return { ...entry, implied: true };
  return entry;
}

/** What only some entries have. */
export type Extra = Pick<LayerEntry, "linkname" | "devMajor" | "devMinor" | "xattrs">;

function readExtra(bytes: Buffer, start: number): Extra {
  const devMajor = bytes.readUInt32LE(start);
  const devMinor = bytes.readUInt32LE(start + 4);
  const linkEnd = start + 12 + bytes.readUInt16LE(start + 8);
  const linkname = bytes.toString("latin1", start + 12, linkEnd);
  const count = bytes.readUInt16LE(start + 10);
  if (count === 0) return { linkname, devMajor, devMinor };
  const xattrs = new Map<string, Uint8Array>();
  let at = linkEnd;
  for (let i = 0; i < count; i++) {
    const nameEnd = at + 6 + bytes.readUInt16LE(at);
    const valueEnd = nameEnd + bytes.readUInt32LE(at + 2);
    xattrs.set(bytes.toString("latin1", at + 6, nameEnd), bytes.subarray(nameEnd, valueEnd));
    at = valueEnd;
  }
  return { linkname, devMajor, devMinor, xattrs };
}

/** Bytes of the heap for `extra`; `undefined` when there is nothing to say. Xattrs are sorted by name. */
export function encodeExtra(extra: Extra): Buffer | undefined {
  const { linkname, devMajor, devMinor } = extra;
  const xattrs = [...(extra.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  if (linkname === "" && devMajor === 0 && devMinor === 0 && xattrs.length === 0) return undefined;
  const head = Buffer.alloc(12);
  head.writeUInt32LE(devMajor, 0);
  head.writeUInt32LE(devMinor, 4);
  head.writeUInt16LE(linkname.length, 8);
  head.writeUInt16LE(xattrs.length, 10);
  const parts = [head, Buffer.from(linkname, "latin1")];
  for (const [name, value] of xattrs) {
    const lengths = Buffer.alloc(6);
    lengths.writeUInt16LE(name.length, 0);
    lengths.writeUInt32LE(value.length, 2);
    parts.push(lengths, Buffer.from(name, "latin1"), Buffer.from(value));
  }
  return Buffer.concat(parts);
}
