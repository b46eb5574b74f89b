/**
 * Makes single files and directories of a layer's directory form. The parents are directories that were made a moment ago, so no
 * name can be led elsewhere. Synchronous.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  lutimesSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { type BytePath, bytePathOf, fileTime, fsPath, nameOf, parentOf } from "../core/index.ts";
import type { LayerEntry } from "../snapshot/index.ts";
import { type IdMap, isMapped, type Marks } from "../stacking/index.ts";
import { makeNode, setXattr } from "../sys/index.ts";

/** How entries are made on this machine. */
export interface DirectoryStyle {
  readonly marks: Marks;
  /**
   * Ids of the user namespace that this happens in, or undefined: all. Owners that it does not know become root; device nodes
   * cannot be made there.
   */
  readonly ids: IdMap | undefined;
}

/** Paths of a layer on the host. */
export type Host = (path: BytePath) => string | Buffer;

/** Where paths of a layer lie when its root is `directory`. */
export function hostBelow(directory: string): Host {
  const base = bytePathOf(directory);
  return (path) => fsPath(path === "" ? base : `${base}/${path}`);
}

const createOnly = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Whether an entry can be made at all. */
export function canMake({ type }: Pick<LayerEntry, "type">, { ids }: DirectoryStyle): boolean {
  return ids === undefined || (type !== "char" && type !== "block");
}

/** Hides `path` of the layers below, by the marks of this way of stacking. */
export function makeWhiteout(host: Host, path: BytePath, { marks }: DirectoryStyle): void {
  if (marks !== "files") makeNode(host(path), "char", 0);
  else {
    const parent = parentOf(path);
    writeFileSync(host(`${parent === "" ? "" : `${parent}/`}.wh.${nameOf(path)}`), "", { mode: 0o600 });
  }
}

/** A symlink, fifo or device. */
export function makeSpecial(host: string | Buffer, entry: LayerEntry, style: DirectoryStyle): void {
  if (entry.type === "symlink") symlinkSync(Buffer.from(entry.linkname, "latin1"), host);
  else {
    makeNode(host, entry.type as "char" | "block" | "fifo", 0o600, entry.devMajor, entry.devMinor);
    chmodSync(host, entry.mode);
  }
  const { uid, gid } = ownerOf(entry, style);
  if (uid !== 0 || gid !== 0) {
    lchownSync(host, uid, gid);
    if (entry.type !== "symlink") chmodSync(host, entry.mode);
  }
  setXattrs(host, entry);
  lutimesSync(host, fileTime(entry.mtime), fileTime(entry.mtime));
}

/** A regular file; `fill` writes its content. */
export function writeFile(
  host: string | Buffer,
  entry: LayerEntry,
  style: DirectoryStyle & { readonly umask: number },
  fill: (fd: number) => void,
): void {
  const plain = (entry.mode & (0o7000 | style.umask)) === 0;
  const fd = openSync(host, createOnly, plain ? entry.mode : 0o600);
  try {
    fill(fd);
    const { uid, gid } = ownerOf(entry, style);
    if (uid !== 0 || gid !== 0) fchownSync(fd, uid, gid);
    if (!plain) fchmodSync(fd, entry.mode);
    setXattrs(host, entry);
    futimesSync(fd, fileTime(entry.mtime), fileTime(entry.mtime));
  } finally {
    closeSync(fd);
  }
}

/** Gives a directory its metadata, after everything in it was made. */
export function settleDirectory(
  host: string | Buffer,
  entry: LayerEntry,
  opaque: boolean,
  style: DirectoryStyle,
): void {
  if (opaque && style.marks === "files")
    writeFileSync(Buffer.concat([Buffer.from(host), Buffer.from("/.wh..wh..opq")]), "", { mode: 0o600 });
  const { uid, gid } = ownerOf(entry, style);
  if (uid !== 0 || gid !== 0) chownSync(host, uid, gid);
  chmodSync(host, entry.mode);
  setXattrs(host, entry);
  if (opaque && style.marks !== "files") setXattr(host, `${style.marks}.overlay.opaque`, Buffer.from("y"));
  utimesSync(host, fileTime(entry.mtime), fileTime(entry.mtime));
}

function ownerOf({ uid, gid }: LayerEntry, { ids }: DirectoryStyle): { uid: number; gid: number } {
  if (ids === undefined) return { uid, gid };
  return { uid: isMapped(ids.uids, uid) ? uid : 0, gid: isMapped(ids.gids, gid) ? gid : 0 };
}

/** A filesystem need not have every kind of xattr; what a file may do (capabilities) must not get lost silently. */
function setXattrs(host: string | Buffer, entry: LayerEntry): void {
  for (const [name, value] of entry.xattrs ?? [])
    try {
      setXattr(host, name, value);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      const optional = ["ENOTSUP", "EOPNOTSUPP", "EPERM", "EINVAL"].includes(code);
      if (name === "security.capability" || !optional) throw error;
    }
}
