import { rmSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { BytePath } from "../core/index.ts";
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

/** Writes a root filesystem as one tar, without whiteouts, into `file`. The file is gone again after a failure. */
export async function writeRootfsTar(
  rootfs: Rootfs,
  file: string,
  options: RootfsOptions = {},
): Promise<void> {
  const writer = openLayerWriter({ file });
  try {
    await forEachEntry(rootfs, options, (entry, original) =>
      addEntry(writer, rootfs, entry, original, options),
    );
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

function addEntry(
  writer: LayerWriter,
  rootfs: Rootfs,
  entry: FoundEntry,
  original: BytePath | undefined,
  { epoch }: RootfsOptions,
): void {
  const inode = entry.type === "hardlink" ? rootfs.inode(entry) : entry;
  const { mode, uid, gid, devMajor, devMinor, xattrs } = inode;
  const common = {
    path: entry.path,
    mode,
    uid,
    gid,
    mtime: epoch === undefined ? inode.mtime : Math.floor(epoch / 1000),
    ...(xattrs === undefined ? {} : { xattrs }),
  };
  if (original !== undefined) writer.add({ ...common, type: "hardlink", linkname: original });
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
