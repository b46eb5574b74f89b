import { BuildError, type BytePath, textOf } from "../core/index.ts";
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

/**
 * Collects the members of a layer, in the order in which an archive has them, into a consistent tree:
 *
 * - Of entries with the same path the last wins; a directory keeps its children only when a directory replaces it.
 * - Every parent is a directory of this layer. An entry below anything else is refused: nothing that is made from the
 *   index can be led elsewhere by a symlink.
 * - A hardlink is bound to the file that has the name at that moment.
 * - A whiteout and a directory of the same name, in either order, are an opaque directory; anything else beside a
 *   whiteout replaces it.
 */
export interface IndexBuilder {
  /** `digest` is the sha256 of a file's content, where it is known; it is copied. */
  add(entry: IndexedEntry, digest?: Uint8Array): void;
  whiteout(path: BytePath): void;
  opaque(path: BytePath): void;
  finish(): BuiltIndex;
}

interface Draft {
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

interface Record {
  readonly path: BytePath;
  readonly type: RecordType;
  readonly draft?: Draft;
}

/** Bytes of paths and the like in one index. */
const heapLimit = 2 ** 30;

/** Bytes of the paths of implied directories: an archive of deep, sparse paths would imply far more than it holds. */
const impliedLimit = 64 << 20;

const impliedDirectory = { type: "directory", mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 } as const;

export function createIndexBuilder(): IndexBuilder {
  const drafts = new Map<BytePath, Draft>();
  const digests = digestPool();
  /** With the moment at which each came. */
  const whiteouts = new Map<BytePath, number>();
  const opaques = new Map<BytePath, number>();
  let order = 0;
  /** Whether paths came in byte order: then parents came first, and nothing was replaced. */
  let ascending = true;
  let highest: BytePath | undefined;
  let linked = false;
  let checkedParent: BytePath | undefined;

  /** Throws when something that is no directory stands above `path`. */
  function checkParents(path: BytePath, what: string): void {
    const parent = parentOf(path);
    if (parent === checkedParent) return;
    for (let above = parent; above !== ""; above = parentOf(above)) {
      const draft = drafts.get(above);
      if (draft !== undefined && draft.entry.type !== "directory")
        throw new BuildError(
          "invalid-argument",
          `${what} ${textOf(path)}: its parent ${textOf(above)} is a ${draft.entry.type} in the same layer`,
        );
    }
    checkedParent = parent;
  }

  function noteOrder(path: BytePath): void {
    if (highest !== undefined && path <= highest) ascending = false;
    highest = path;
  }

  function add(entry: IndexedEntry, digest?: Uint8Array): void {
    checkParents(entry.path, "entry");
    noteOrder(entry.path);
    order++;
    const previous = drafts.get(entry.path);
    const clears = entry.type !== "directory";
    if (entry.path === "" && entry.type !== "directory")
      throw new BuildError("invalid-argument", `the root of a layer cannot be a ${entry.type}`);
    const target = entry.type === "hardlink" ? linkTarget(entry) : undefined;
    if (target !== undefined) linked = true;
    if (target?.entry.path === entry.path) return; // a link to itself changes nothing
    drafts.set(entry.path, {
      entry,
      order,
      clearedAt: clears ? order : (previous?.clearedAt ?? 0),
      digest: digest === undefined ? -1 : digests.keep(digest),
      implied: false,
      ...(target === undefined ? {} : { target }),
    });
    if (clears && checkedParent !== undefined && `${checkedParent}/`.startsWith(`${entry.path}/`))
      checkedParent = undefined;
  }

  function linkTarget(entry: IndexedEntry): Draft | undefined {
    const path = entry.linkname ?? "";
    const found = drafts.get(path);
    if (found?.entry.type === "directory" || path === "")
      throw new BuildError("invalid-argument", `entry ${textOf(entry.path)}: hardlink to a directory`);
    if (found === undefined) checkParents(path, `hardlink ${textOf(entry.path)} to`);
    return found?.target ?? found;
  }

  function addImplied(): void {
    let last: BytePath | undefined;
    let impliedBytes = 0;
    const imply = (path: BytePath): void => {
      for (let above = path; above !== last && !drafts.has(above); above = parentOf(above)) {
        impliedBytes += above.length;
        if (impliedBytes > impliedLimit) throw tooLarge();
        drafts.set(above, {
          entry: { path: above, ...impliedDirectory },
          order: 0,
          clearedAt: 0,
          digest: -1,
          implied: true,
        });
        if (above === "") break;
      }
      last = path;
    };
    imply("");
    for (const path of [...drafts.keys()]) if (path !== "") imply(parentOf(path));
    for (const path of whiteouts.keys()) imply(parentOf(path));
    for (const path of opaques.keys()) imply(path);
  }

  /** Removes what was below a path when something else took its place. */
  function dropCleared(): void {
    const known = new Map<BytePath, number>();
    const clearedAbove = (directory: BytePath): number => {
      let moment = known.get(directory);
      if (moment === undefined) {
        const above = directory === "" ? 0 : clearedAbove(parentOf(directory));
        moment = Math.max(above, drafts.get(directory)?.clearedAt ?? 0);
        known.set(directory, moment);
      }
      return moment;
    };
    for (const [path, draft] of drafts)
      if (path !== "" && draft.order < clearedAbove(parentOf(path))) drafts.delete(path);
    for (const hidden of [whiteouts, opaques])
      for (const [path, moment] of hidden)
        if (path !== "" && moment < clearedAbove(parentOf(path))) hidden.delete(path);
  }

  /** Hardlinks whose file was replaced later in the archive share the old file among themselves. */
  function rebindLinks(paths: readonly BytePath[]): void {
    const promoted = new Map<Draft, BytePath>();
    for (const path of paths) {
      const draft = drafts.get(path);
      if (draft?.target === undefined) continue;
      const original = draft.target;
      const name =
        drafts.get(original.entry.path) === original ? original.entry.path : promoted.get(original);
      if (name === undefined) {
        promoted.set(original, path);
        draft.entry = { ...original.entry, path };
        draft.digest = original.digest;
      } else {
        const { mode, uid, gid, mtime } = original.entry;
        draft.entry = { path, type: "hardlink", linkname: name, mode, uid, gid, mtime, size: 0 };
        draft.digest = -1;
      }
    }
  }

  /** Whiteouts beside an entry of the same path either make it opaque or are void. */
  function settleWhiteouts(): void {
    for (const [path, moment] of whiteouts) {
      const draft = drafts.get(path);
      if (draft === undefined) continue;
      whiteouts.delete(path);
      if (draft.entry.type !== "directory") continue;
      opaques.set(path, moment);
      draft.implied = false; // what was below is gone, its metadata too
    }
    for (const path of opaques.keys()) if (drafts.get(path)?.entry.type !== "directory") opaques.delete(path);
  }

  function finish(): BuiltIndex {
    if (!ascending) dropCleared();
    addImplied();
    settleWhiteouts();
    const paths = sorted([...drafts.keys()]);
    if (linked) rebindLinks(paths);
    const all = whiteouts.size === 0 ? paths : sorted([...paths, ...whiteouts.keys()]);
    const records = all.map((path): Record => {
      const draft = drafts.get(path);
      return draft === undefined ? { path, type: "whiteout" } : { path, type: draft.entry.type, draft };
    });
    return encode(records, opaques, digests);
  }

  return {
    add,
    whiteout(path) {
      checkParents(path, "whiteout of");
      noteOrder(path);
      whiteouts.set(path, ++order);
    },
    opaque(path) {
      checkParents(`${path}/`, "opaque directory");
      if (path !== highest) noteOrder(path);
      opaques.set(path, ++order);
    },
    finish,
  };
}

function parentOf(path: BytePath): BytePath {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

function tooLarge(): BuildError {
  return new BuildError("resource-exhausted", "the paths of the layer are too many and too long");
}

function sorted(paths: BytePath[]): BytePath[] {
  for (let i = 1; i < paths.length; i++) if (paths[i - 1]! > paths[i]!) return paths.sort();
  return paths;
}

/** Digests in one growing piece of memory: a buffer for each would cost several times its content. */
interface DigestPool {
  keep(digest: Uint8Array): number;
  at(number: number): Uint8Array;
}

function digestPool(): DigestPool {
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

function encode(
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
