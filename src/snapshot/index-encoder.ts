import { BuildError, type BytePath } from "../core/index.ts";
import {
  digestSize,
  encodeExtra,
  headerAt,
  headerSize,
  indexCrc,
  indexFlags,
  indexVersion,
  magic,
  type RecordType,
  recordAt,
  recordFlags,
  recordSize,
  typeNumber,
} from "./index-format.ts";
import type { EntryType, LayerEntry } from "./types.ts";

/** An entry on its way into an index. */
export interface IndexedEntry {
  readonly path: BytePath;
  readonly type: EntryType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly linkname?: BytePath;
  readonly devMajor?: number;
  readonly devMinor?: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined;
  /** Where the content starts in the tar. */
  readonly position?: number;
}

export interface BuiltIndex {
  readonly bytes: Buffer;
  readonly entryCount: number;
  readonly contentSize: number;
  /** Whether the layer's directory form needs the layers below. */
  readonly dependsOnLower: boolean;
  readonly opaqueRoot: boolean;
}

/** A member while its layer is collected. */
export interface Draft {
  entry: IndexedEntry;
  readonly order: number;
  /** Children that came before this were removed with an earlier entry of the same path. */
  readonly clearedAt: number;
  /** For a hardlink whose target is in this layer. */
  readonly target?: Draft;
  /** Where the builder keeps the content's digest; -1 where it is not known. */
  digest: number;
  implied: boolean;
}

export interface Record {
  readonly path: BytePath;
  readonly type: RecordType;
  readonly draft?: Draft;
}

/** Bytes of paths and the like in one index. */
const heapLimit = 2 ** 30;

/** The error of a layer with more than an index can hold. */
export function tooLarge(): BuildError {
  return new BuildError("resource-exhausted", "the paths of the layer are too many and too long");
}

/** Digests in one growing piece of memory: a buffer for each would cost several times its content. */
export interface DigestPool {
  keep(digest: Uint8Array): number;
  at(number: number): Uint8Array;
}

/** Starts a pool. */
export function digestPool(): DigestPool {
  let bytes = new Uint8Array(0);
  let count = 0;
  return {
    keep(digest) {
      if (digestSize * count === bytes.length) {
        const grown = new Uint8Array(Math.max(64 * digestSize, 2 * bytes.length));
        grown.set(bytes);
        bytes = grown;
      }
      bytes.set(digest, digestSize * count);
      return count++;
    },
    at: (number) => bytes.subarray(digestSize * number, digestSize * (number + 1)),
  };
}

/** The bytes of an index, of records in byte order of their paths. */
export function encodeIndex(
  records: readonly Record[],
  opaques: ReadonlyMap<BytePath, unknown>,
  digests: DigestPool,
): BuiltIndex {
  const extras = records.map(({ draft }) => (draft === undefined ? undefined : extraOf(draft.entry)));
  const withDigests = records.some(({ draft }) => draft !== undefined && draft.digest >= 0);
  const heap = headerSize + records.length * (recordSize + (withDigests ? digestSize : 0));
  let heapSize = 4; // offset 0 means "no extra"
  for (let i = 0; i < records.length; i++) heapSize += records[i]!.path.length + (extras[i]?.length ?? 0);
  if (heapSize > heapLimit) throw tooLarge();
  const bytes = Buffer.alloc(heap + heapSize);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let free = 4;
  let contentSize = 0;
  let entryCount = 0;
  let dependsOnLower = false;
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!;
    const at = headerSize + i * recordSize;
    const entry = record.draft?.entry;
    const implied = record.draft?.implied === true;
    view.setUint32(at + recordAt.pathOffset, free, true);
    bytes.writeUInt16LE(record.path.length, at + recordAt.pathLength);
    free += bytes.write(record.path, heap + free, "latin1");
    bytes[at + recordAt.type] = typeNumber[record.type];
    bytes[at + recordAt.flags] =
      (opaques.has(record.path) ? recordFlags.opaque : 0) | (implied ? recordFlags.implied : 0);
    if (!implied) entryCount++;
    if (entry === undefined) continue;
    bytes.writeUInt32LE(entry.mode, at + recordAt.mode);
    bytes.writeUInt32LE(entry.uid, at + recordAt.uid);
    bytes.writeUInt32LE(entry.gid, at + recordAt.gid);
    view.setFloat64(at + recordAt.size, entry.size, true);
    view.setFloat64(at + recordAt.mtime, entry.mtime, true);
    view.setFloat64(at + recordAt.position, entry.position ?? 0, true);
    const extra = extras[i];
    if (extra !== undefined) {
      view.setUint32(at + recordAt.extra, free, true);
      extra.copy(bytes, heap + free);
      free += extra.length;
    }
    const digest = record.draft!.digest;
    if (digest >= 0) bytes.set(digests.at(digest), headerSize + records.length * recordSize + i * digestSize);
    if (entry.type === "file") contentSize += entry.size;
    if (implied && record.path !== "") dependsOnLower = true;
    if (entry.type === "hardlink" && record.draft?.target === undefined) dependsOnLower = true;
  }
  const hides = opaques.size > 0 || records.some(({ type }) => type === "whiteout");
  bytes.writeUInt32LE(magic, headerAt.magic);
  bytes.writeUInt32LE(indexVersion, headerAt.version);
  bytes.writeUInt32LE(records.length, headerAt.count);
  bytes.writeUInt32LE(
    (withDigests ? indexFlags.digests : 0) |
      (hides ? indexFlags.hides : 0) |
      (dependsOnLower ? indexFlags.dependsOnLower : 0),
    headerAt.flags,
  );
  bytes.writeUInt32LE(heapSize, headerAt.heapSize);
  bytes.writeUInt32LE(entryCount, headerAt.entryCount);
  bytes.writeDoubleLE(contentSize, headerAt.contentSize);
  bytes.writeUInt32LE(indexCrc(bytes), headerAt.crc);
  return { bytes, entryCount, contentSize, dependsOnLower, opaqueRoot: opaques.has("") };
}

function extraOf(entry: IndexedEntry): Buffer | undefined {
  if (!entry.linkname && !entry.devMajor && !entry.devMinor && !entry.xattrs?.size) return undefined;
  const { linkname = "", devMajor = 0, devMinor = 0, xattrs } = entry;
  return encodeExtra({ linkname, devMajor, devMinor, ...(xattrs === undefined ? {} : { xattrs }) } as Pick<
    LayerEntry,
    "linkname" | "devMajor" | "devMinor" | "xattrs"
  >);
}
