import { existsSync, lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { BuildError, type BytePath, bytePathOf, fsPath, textOf } from "../core/index.ts";
import {
  type BuiltIndex,
  createIndexBuilder,
  type IndexBuilder,
  type IndexedEntry,
} from "../snapshot/index.ts";
import type { Marks } from "../stacking/index.ts";
import { deviceOf, getXattr, listXattrs } from "../sys/index.ts";

/** Of all xattrs only this one is part of an image, as in containerd: no ACLs, no labels of the machine. */
const capability = "security.capability";

/**
 * What overlayfs may have noted on an upper directory without changing its meaning. Anything else (redirect, metacopy)
 * would make the directory incomplete.
 */
const harmless = new Set(["opaque", "origin", "impure", "upper", "uuid", "nlink", "protattr"]);

/** How an upper directory came to be, and what else counts. */
export interface UpperStyle {
  readonly marks: Marks;
  /** Owners of a namespace that has no ids but root's are those of the file below, if there is one. */
  readonly ownerOf?: (entry: IndexedEntry) => { readonly uid: number; readonly gid: number } | undefined;
  /** Whether lower layers have something by this name: fuse-overlayfs marks every new directory as hiding what is below. */
  readonly isBelow?: (path: BytePath) => boolean;
}

const plain: UpperStyle = { marks: "trusted" };

/** Walked more entries than allowed. */
export const tooMany = Symbol("too many entries");

/**
 * Indexes a directory that overlayfs (or fuse-overlayfs) wrote. Of names of one inode, be it a file, symlink, fifo or
 * device, the first in byte order is it, the others are its hardlinks; sockets are left out; the root's own
 * metadata is the lower layers' business. Returns `tooMany` beyond `limit` entries.
 */
export function indexDirectory(
  root: string,
  limit = Number.POSITIVE_INFINITY,
  style: UpperStyle = plain,
): BuiltIndex | typeof tooMany {
  const builder = createIndexBuilder();
  const found: FoundInode[] = [];
  const base = bytePathOf(root);
  const pending: BytePath[] = [""];
  const isOpaque = opaqueTest(style.marks);
  if (isOpaque(root, "")) builder.opaque("");
  while (pending.length > 0) {
    const directory = pending.pop()!;
    const names = readdirSync(fsPath(`${base}/${directory}`), { encoding: "latin1" });
    for (const name of names) {
      const path = directory === "" ? name : `${directory}/${name}`;
      const deleted = style.marks === "files" ? deletedName(name) : undefined;
      if (deleted !== undefined) {
        if (deleted !== "") builder.whiteout(directory === "" ? deleted : `${directory}/${deleted}`);
        continue;
      }
      const host = fsPath(`${base}/${path}`);
      const stat = lstatSync(host);
      if (stat.isSocket()) continue;
      if (stat.isCharacterDevice() && stat.rdev === 0) {
        builder.whiteout(path);
        continue;
      }
      if (stat.isDirectory()) {
        pending.push(path);
        if (isOpaque(host, path) && style.isBelow?.(path) !== false) builder.opaque(path);
      }
      found.push(foundInode(path, host, stat, style));
      if (found.length > limit) return tooMany;
    }
  }
  addAll(builder, found);
  return builder.finish();
}

/** An entry on disk, and which inode it is when that has several names. */
export interface FoundInode {
  readonly entry: IndexedEntry;
  readonly inode: string | undefined;
}

export function foundInode(
  path: BytePath,
  host: string | Buffer,
  stat: Stats,
  { marks, ownerOf }: UpperStyle,
): FoundInode {
  const entry = entryOf(path, host, stat, marks);
  const inode = stat.nlink > 1 && !stat.isDirectory() ? `${stat.dev}:${stat.ino}` : undefined;
  return { entry: ownerOf === undefined ? entry : { ...entry, ...ownerOf(entry) }, inode };
}

/** Adds entries in byte order; of several names of one inode the later ones are links to the first. */
export function addAll(builder: IndexBuilder, found: FoundInode[]): void {
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
}

/** Name that a `.wh.` file deletes; empty for other marks of that kind; undefined for ordinary names. */
function deletedName(name: string): string | undefined {
  if (!name.startsWith(".wh.")) return undefined;
  return name.startsWith(".wh..wh.") ? "" : name.slice(4);
}

function entryOf(path: BytePath, host: string | Buffer, stat: Stats, marks: Marks): IndexedEntry {
  const type = typeOf(stat);
  const isDevice = type === "char" || type === "block";
  const { major, minor } = isDevice ? deviceOf(stat.rdev) : { major: 0, minor: 0 };
  const capabilities = type === "file" ? fileCapabilities(path, host, marks) : undefined;
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

function fileCapabilities(path: BytePath, host: string | Buffer, marks: Marks): Buffer | undefined {
  const names = listXattrs(host);
  checkOverlayXattrs(path, names, marks);
  return names.includes(capability) ? getXattr(host, capability) : undefined;
}

function opaqueTest(marks: Marks): (host: string | Buffer, path: BytePath) => boolean {
  if (marks === "files")
    return (host) =>
      existsSync(Buffer.concat([Buffer.from(host), Buffer.from("/.wh..wh..opq")])) || isFuseOpaque(host);
  const opaque = `${marks}.overlay.opaque`;
  return (host, path) => {
    const names = listXattrs(host);
    checkOverlayXattrs(path, names, marks);
    return names.includes(opaque) && getXattr(host, opaque)?.toString() === "y";
  };
}

/** Where fuse-overlayfs could set one of its xattrs it makes no file. */
function isFuseOpaque(host: string | Buffer): boolean {
  const names = listXattrs(host);
  return fuseOpaque.some((name) => names.includes(name) && getXattr(host, name)?.toString() === "y");
}

const fuseOpaque = ["trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque"];

function checkOverlayXattrs(path: BytePath, names: readonly string[], marks: Marks): void {
  if (marks === "files") return;
  const prefix = `${marks}.overlay.`;
  const unknown = names.find((name) => name.startsWith(prefix) && !harmless.has(name.slice(prefix.length)));
  if (unknown !== undefined)
    throw new BuildError(
      "internal",
      `/${textOf(path)}: overlayfs left ${unknown} on it, which cannot be packed`,
      {
        hint: "the overlay must be mounted with redirect_dir=off,metacopy=off,index=off",
      },
    );
}
