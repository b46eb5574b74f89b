import { lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { BuildError, type BytePath, bytePathOf, fsPath, textOf } from "../core/index.ts";
import { type BuiltIndex, createIndexBuilder, type IndexedEntry } from "../snapshot/index.ts";
import { deviceOf, getXattr, listXattrs } from "../sys/index.ts";

/** Of all xattrs only this one is part of an image, as in containerd: no ACLs, no labels of the machine. */
const capability = "security.capability";
const opaque = "trusted.overlay.opaque";

/**
 * What overlayfs may have noted on an upper directory without changing its meaning. Anything else (redirect, metacopy)
 * would make the directory incomplete.
 */
const harmless = new Set(
  [opaque, "origin", "impure", "upper", "uuid", "nlink", "protattr"].map((name) =>
    name.includes(".") ? name : `trusted.overlay.${name}`,
  ),
);

/** Walked more entries than allowed. */
export const tooMany = Symbol("too many entries");

/**
 * Indexes a directory that overlayfs wrote (whiteouts are char 0/0, opaque directories carry an xattr). Of names of one
 * inode, be it a file, symlink, fifo or device, the first in byte order is it, the others are its hardlinks; sockets are left out; the root's own
 * metadata is the lower layers' business. Returns `tooMany` beyond `limit` entries.
 */
export function indexDirectory(root: string, limit = Number.POSITIVE_INFINITY): BuiltIndex | typeof tooMany {
  const builder = createIndexBuilder();
  const found: { entry: IndexedEntry; inode: string | undefined }[] = [];
  const base = bytePathOf(root);
  const pending: BytePath[] = [""];
  if (isOpaque(root, "")) builder.opaque("");
  while (pending.length > 0) {
    const directory = pending.pop()!;
    const names = readdirSync(fsPath(`${base}/${directory}`), { encoding: "latin1" });
    for (const name of names) {
      const path = directory === "" ? name : `${directory}/${name}`;
      const host = fsPath(`${base}/${path}`);
      const stat = lstatSync(host);
      if (stat.isSocket()) continue;
      if (stat.isCharacterDevice() && stat.rdev === 0) {
        builder.whiteout(path);
        continue;
      }
      if (stat.isDirectory()) {
        pending.push(path);
        if (isOpaque(host, path)) builder.opaque(path);
      }
      const inode = stat.nlink > 1 && !stat.isDirectory() ? `${stat.dev}:${stat.ino}` : undefined;
      found.push({ entry: entryOf(path, host, stat), inode });
      if (found.length > limit) return tooMany;
    }
  }
  found.sort((a, b) => (a.entry.path < b.entry.path ? -1 : 1));
  const first = new Map<string, BytePath>();
  for (const { entry, inode } of found) {
    const linkname = inode === undefined ? undefined : first.get(inode);
    if (linkname !== undefined) builder.add({ ...entry, type: "hardlink", linkname, size: 0 });
    else {
      if (inode !== undefined) first.set(inode, entry.path);
      builder.add(entry);
    }
  }
  return builder.finish();
}

function entryOf(path: BytePath, host: string | Buffer, stat: Stats): IndexedEntry {
  const type = typeOf(stat);
  const isDevice = type === "char" || type === "block";
  const { major, minor } = isDevice ? deviceOf(stat.rdev) : { major: 0, minor: 0 };
  const capabilities = type === "file" ? fileCapabilities(path, host) : undefined;
  return {
    path,
    type,
    mode: type === "symlink" ? 0o777 : stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    size: type === "file" ? stat.size : 0,
    mtime: Math.floor(stat.mtimeMs / 1000),
    linkname: type === "symlink" ? readlinkSync(host, { encoding: "latin1" }) : "",
    devMajor: major,
    devMinor: minor,
    ...(capabilities === undefined ? {} : { xattrs: new Map([[capability, capabilities]]) }),
  };
}

function typeOf(stat: Stats): IndexedEntry["type"] {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isFIFO()) return "fifo";
  return stat.isBlockDevice() ? "block" : "char";
}

function fileCapabilities(path: BytePath, host: string | Buffer): Buffer | undefined {
  const names = listXattrs(host);
  checkOverlayXattrs(path, names);
  return names.includes(capability) ? getXattr(host, capability) : undefined;
}

function isOpaque(host: string | Buffer, path: BytePath): boolean {
  const names = listXattrs(host);
  checkOverlayXattrs(path, names);
  return names.includes(opaque) && getXattr(host, opaque)?.toString() === "y";
}

function checkOverlayXattrs(path: BytePath, names: readonly string[]): void {
  const unknown = names.find((name) => name.startsWith("trusted.overlay.") && !harmless.has(name));
  if (unknown !== undefined)
    throw new BuildError(
      "internal",
      `/${textOf(path)}: overlayfs left ${unknown} on it, which cannot be packed`,
      {
        hint: "the overlay must be mounted with redirect_dir=off,metacopy=off,index=off",
      },
    );
}
