import { rmSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { type BytePath, bytePathOf, defined } from "../core/index.ts";
import type { LayerWriter } from "../layer/index.ts";
import { openLayerWriter } from "../layer/tar/index.ts";
import type { FoundEntry, Rootfs } from "../snapshot/index.ts";

export interface RootfsOptions {
  /** Every file gets this time (milliseconds since the epoch): SOURCE_DATE_EPOCH. */
  readonly epoch?: number;
  readonly signal?: AbortSignal;
}

/** After so many entries or bytes the event loop gets its turn. */
const turn = { entries: 256, bytes: 16 << 20 };

/** A root filesystem, and where it goes: into a directory of its own, or to the top. */
export interface RootfsTree {
  readonly rootfs: Rootfs;
  /** For messages. */
  readonly name: string;
  readonly directory?: string;
  readonly epoch?: number;
}

/** Writes root filesystems as one tar, without whiteouts, into `file`. The file is gone again after a failure. */
export async function writeRootfsTar(
  trees: readonly RootfsTree[],
  file: string,
  signal?: AbortSignal,
): Promise<void> {
  const writer = openLayerWriter({ file });
  try {
    for (const { rootfs, directory, epoch } of trees) {
      const options = defined({ epoch, signal });
      const below = directory === undefined ? "" : bytePathOf(directory);
      if (below !== "")
        writer.add({ path: below, type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: seconds(epoch) });
      await forEachEntry(rootfs, options, (entry, original) =>
        addEntry({ writer, rootfs, below, epoch }, entry, original),
      );
    }
    writer.finish();
  } catch (error) {
    writer.abort();
    throw error;
  } finally {
    rmSync(`${file}.index`, { force: true });
  }
}

/**
 * Calls `visit` for every entry but the root, parents first. For the second and later names of a file, `original` is
 * the first one.
 */
export async function forEachEntry(
  rootfs: Rootfs,
  { signal }: RootfsOptions,
  visit: (entry: FoundEntry, original: BytePath | undefined) => void,
): Promise<void> {
  const firstNames = new Map<string, BytePath>();
  let entries = 0;
  let bytes = 0;
  for (const entry of rootfs.walk("")) {
    if (entry.path === "") continue;
    visit(entry, firstName(rootfs, entry, firstNames));
    bytes += entry.size;
    if (++entries < turn.entries && bytes < turn.bytes) continue;
    await setImmediate();
    signal?.throwIfAborted();
    entries = bytes = 0;
  }
}

function firstName(rootfs: Rootfs, entry: FoundEntry, seen: Map<string, BytePath>): BytePath | undefined {
  if (entry.type !== "hardlink" && entry.type !== "file") return undefined;
  const inode = rootfs.inode(entry);
  const key = `${inode.layer.id} ${inode.path}`;
  const first = seen.get(key);
  if (first === undefined) seen.set(key, entry.path);
  return first;
}

/** A directory that only the export has dates from the epoch, unless there is a better one. */
function seconds(epoch: number | undefined): number {
  return epoch === undefined ? 0 : Math.floor(epoch / 1000);
}

interface Destination {
  readonly writer: LayerWriter;
  readonly rootfs: Rootfs;
  readonly below: BytePath;
  readonly epoch: number | undefined;
}

function addEntry(
  { writer, rootfs, below, epoch }: Destination,
  entry: FoundEntry,
  original: BytePath | undefined,
): void {
  const placed = (path: BytePath): BytePath => (below === "" ? path : `${below}/${path}`);
  const inode = entry.type === "hardlink" ? rootfs.inode(entry) : entry;
  const { mode, uid, gid, devMajor, devMinor, xattrs } = inode;
  const common = {
    path: placed(entry.path),
    mode,
    uid,
    gid,
    mtime: epoch === undefined ? inode.mtime : seconds(epoch),
    ...defined({ xattrs }),
  };
  if (original !== undefined) writer.add({ ...common, type: "hardlink", linkname: placed(original) });
  else if (inode.type === "file") {
    const bytes = inode.layer.open(inode.path);
    try {
      writer.add(
        { ...common, type: "file" },
        { kind: "fd", fd: bytes.fd, position: bytes.position, size: bytes.size },
      );
    } finally {
      bytes.close();
    }
  } else {
    const linkname = inode.type === "symlink" ? { linkname: inode.linkname } : {};
    writer.add({ ...common, type: inode.type, ...linkname, devMajor, devMinor });
  }
}
