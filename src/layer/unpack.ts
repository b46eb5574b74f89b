/**
 * Makes the directory form of a layer (overlay format) from its index and tar. The target is a fresh directory of
 * ours and the index is a consistent tree, so every parent is a directory that was made here a moment ago: no name
 * can be led elsewhere, whatever the archive holds. Synchronous; needs root for owners and whiteouts.
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
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { BuildError, type BytePath, bytePathOf, fsPath, textOf } from "../core/index.ts";
import {
  entryAt,
  findRecord,
  flagsAt,
  type LayerEntry,
  type LayerIndex,
  type LayerSource,
  loadIndex,
  openRootfs,
  pathAt,
  positionAt,
  type Rootfs,
  recordFlags,
  typeAt,
} from "../snapshot/index.ts";
import { makeNode, setXattr } from "../sys/index.ts";

export interface UnpackTask {
  readonly source: LayerSource;
  /** The layers below, base first; asked for implied directories and for targets of hardlinks. */
  readonly below: readonly LayerSource[];
  /** A directory that does not exist yet. */
  readonly target: string;
}

type Host = (path: BytePath) => string | Buffer;

const windowSize = 1 << 20;
const createOnly = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export function unpackLayer({ source, below, target }: UnpackTask): void {
  const index = loadIndex(source.index);
  if (index === undefined)
    throw new BuildError("data-loss", `layer ${source.id}: its index is missing or damaged`);
  const base = bytePathOf(target);
  const host: Host = (path) => fsPath(path === "" ? base : `${base}/${path}`);
  const lower = below.length === 0 ? undefined : openRootfs(below);
  const directories: { entry: LayerEntry; opaque: boolean }[] = [];
  const files: number[] = [];
  const links: number[] = [];
  for (let record = 0; record < index.count; record++) {
    const type = typeAt(index, record);
    if (type === "file") files.push(record);
    else if (type === "hardlink") links.push(record);
    else if (type === "whiteout") makeNode(host(pathAt(index, record)), "char", 0);
    else {
      const entry = entryAt(index, record);
      if (type === "directory") {
        mkdirSync(host(entry.path), 0o700);
        directories.push({ entry, opaque: (flagsAt(index, record) & recordFlags.opaque) !== 0 });
      } else makeSpecial(host(entry.path), entry);
    }
  }
  writeFiles(index, files, source.content.path, host);
  for (const record of links) makeLink(index, record, host, lower);
  // Children first: making one changes its parent's time.
  for (const { entry, opaque } of directories.reverse())
    settleDirectory(host(entry.path), entry, opaque, lower);
  for (const layer of lower?.layers ?? []) layer.close();
}

function makeSpecial(host: string | Buffer, entry: LayerEntry): void {
  if (entry.type === "symlink") symlinkSync(Buffer.from(entry.linkname, "latin1"), host);
  else {
    makeNode(host, entry.type as "char" | "block" | "fifo", 0o600, entry.devMajor, entry.devMinor);
    chmodSync(host, entry.mode);
  }
  if (entry.uid !== 0 || entry.gid !== 0) {
    lchownSync(host, entry.uid, entry.gid);
    if (entry.type !== "symlink") chmodSync(host, entry.mode);
  }
  setXattrs(host, entry);
  lutimesSync(host, entry.mtime, entry.mtime);
}

/** Files in the order in which they lie in the tar, through one window. */
function writeFiles(index: LayerIndex, records: number[], tar: string, host: Host): void {
  if (records.length === 0) return;
  const positions = new Map(records.map((record) => [record, positionAt(index, record)]));
  records.sort((a, b) => positions.get(a)! - positions.get(b)!);
  const fd = openSync(tar, "r");
  const window = Buffer.allocUnsafeSlow(windowSize);
  const umask = process.umask();
  let start = 0;
  let end = 0;
  try {
    for (const record of records) {
      const entry = entryAt(index, record);
      const position = positions.get(record)!;
      writeFile(host(entry.path), entry, umask, (out) => {
        for (let done = 0; done < entry.size; ) {
          const at = position + done;
          if (at < start || at >= end) {
            start = at;
            end = at + readSync(fd, window, 0, windowSize, at);
            if (end === start) throw new BuildError("data-loss", `${tar} is shorter than its index says`);
          }
          done += writeSync(out, window, at - start, Math.min(entry.size - done, end - at));
        }
      });
    }
  } finally {
    closeSync(fd);
  }
}

function writeFile(
  host: string | Buffer,
  entry: LayerEntry,
  umask: number,
  fill: (fd: number) => void,
): void {
  const plain = (entry.mode & (0o7000 | umask)) === 0;
  const fd = openSync(host, createOnly, plain ? entry.mode : 0o600);
  try {
    fill(fd);
    if (entry.uid !== 0 || entry.gid !== 0) fchownSync(fd, entry.uid, entry.gid);
    if (!plain) fchmodSync(fd, entry.mode);
    setXattrs(host, entry);
    futimesSync(fd, entry.mtime, entry.mtime);
  } finally {
    closeSync(fd);
  }
}

function makeLink(index: LayerIndex, record: number, host: Host, lower: Rootfs | undefined): void {
  const { path, linkname } = entryAt(index, record);
  if (findRecord(index, linkname) >= 0) {
    linkSync(host(linkname), host(path));
    return;
  }
  // The file is in a layer below. Overlayfs would copy it up before it links it: so do we.
  const found = lower?.lookup(linkname);
  const file = found === undefined ? undefined : lower!.inode(found);
  if (file === undefined || file.type === "directory")
    throw new BuildError(
      "data-loss",
      `${textOf(path)} is a hardlink to ${textOf(linkname)}, which the layers below do not have`,
    );
  if (file.type !== "file") {
    makeSpecial(host(path), file);
    return;
  }
  const content = file.layer.open(file.path);
  try {
    const window = Buffer.allocUnsafe(Math.min(windowSize, Math.max(1, file.size)));
    writeFile(host(path), file, process.umask(), (out) => {
      for (let done = 0; done < file.size; ) {
        const length = Math.min(window.length, file.size - done);
        const count = readSync(content.fd, window, 0, length, content.position + done);
        if (count === 0)
          throw new BuildError("data-loss", `${textOf(linkname)} is shorter than its index says`);
        for (let written = 0; written < count; ) written += writeSync(out, window, written, count - written);
        done += count;
      }
    });
  } finally {
    content.close();
  }
}

function settleDirectory(
  host: string | Buffer,
  own: LayerEntry,
  opaque: boolean,
  lower: Rootfs | undefined,
): void {
  const borrowed = own.implied && own.path !== "" ? lower?.lookup(own.path) : undefined;
  const entry = borrowed?.type === "directory" ? borrowed : own;
  if (entry.uid !== 0 || entry.gid !== 0) chownSync(host, entry.uid, entry.gid);
  chmodSync(host, entry.mode);
  setXattrs(host, entry);
  if (opaque) setXattr(host, "trusted.overlay.opaque", Buffer.from("y"));
  utimesSync(host, entry.mtime, entry.mtime);
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
