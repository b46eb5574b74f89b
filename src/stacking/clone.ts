/**
 * The lowest rung: where nothing can be stacked, a step gets a copy of the whole root filesystem. What it changed is told by
 * stamps (inode number and change time) that every entry had before; nobody can set a change time.
 */
import {
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  type Stats,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type BytePath, bytePathOf, fileTime, fsPath } from "../core/index.ts";
import { deviceOf, getXattr, listXattrs, makeNode, setXattr } from "../sys/index.ts";

/** Inode and change time of every entry below a directory; the directory itself is `""`. */
export type Stamps = Map<BytePath, string>;

/**
 * Copies what is in the directory `from` into the directory `to`, which is there: owners, modes, times, links and file
 * capabilities too, by reflinks where the filesystem has them. Synchronous.
 */
export function cloneTree(from: string, to: string): void {
  const copied = new Map<string, BytePath>();
  const directories: { host: string | Buffer; stat: Stats }[] = [];
  const [source, target] = [bytePathOf(from), bytePathOf(to)];
  for (const { path, stat } of walk(from)) {
    const at = fsPath(path === "" ? target : `${target}/${path}`);
    const original = fsPath(path === "" ? source : `${source}/${path}`);
    if (stat.isSocket()) continue;
    if (stat.isDirectory()) {
      if (path !== "") mkdirSync(at, 0o700);
      directories.push({ host: at, stat });
      copyCapabilities(original, at);
      continue;
    }
    const inode = `${stat.dev}:${stat.ino}`;
    const first = stat.nlink > 1 ? copied.get(inode) : undefined;
    if (first !== undefined) {
      linkSync(fsPath(first), at);
      continue;
    }
    copied.set(inode, path === "" ? target : `${target}/${path}`);
    copyEntry(original, at, stat);
  }
  // Children first: making one changes its parent's time.
  for (const { host, stat } of directories.reverse()) settle(host, stat);
}

function copyEntry(from: string | Buffer, to: string | Buffer, stat: Stats): void {
  if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from, "buffer"), to);
  else if (stat.isFile()) copyFileSync(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  else {
    const { major, minor } = deviceOf(stat.rdev);
    const type = stat.isFIFO() ? "fifo" : stat.isBlockDevice() ? "block" : "char";
    makeNode(to, type, 0o600, major, minor);
  }
  settle(to, stat);
  if (stat.isFile()) copyCapabilities(from, to);
}

function settle(host: string | Buffer, stat: Stats): void {
  lchownSync(host, stat.uid, stat.gid);
  if (!stat.isSymbolicLink()) chmodSync(host, stat.mode & 0o7777);
  const time = fileTime(stat.mtimeMs / 1000);
  lutimesSync(host, time, time);
}

/** Of all xattrs only capabilities become part of a layer. */
function copyCapabilities(from: string | Buffer, to: string | Buffer): void {
  const name = "security.capability";
  const value = listXattrs(from).includes(name) ? getXattr(from, name) : undefined;
  if (value !== undefined) setXattr(to, name, value);
}

/** The entries of a directory, itself first, each directory before what is in it. */
export function* walk(root: string): Generator<{ readonly path: BytePath; readonly stat: Stats }> {
  const base = bytePathOf(root);
  const pending: BytePath[] = [""];
  yield { path: "", stat: lstatSync(root) };
  while (pending.length > 0) {
    const directory = pending.pop()!;
    for (const name of readdirSync(fsPath(directory === "" ? base : `${base}/${directory}`), {
      encoding: "latin1",
    })) {
      const path = directory === "" ? name : `${directory}/${name}`;
      const stat = lstatSync(fsPath(`${base}/${path}`));
      yield { path, stat };
      if (stat.isDirectory()) pending.push(path);
    }
  }
}

/** Notes what every entry below `root` is now. */
export function takeStamps(root: string): Stamps {
  const stamps: Stamps = new Map();
  for (const { path } of walk(root)) restamp(stamps, root, path);
  return stamps;
}

/** Takes an entry as it is now for unchanged. */
export function restamp(stamps: Stamps, root: string, path: BytePath): void {
  stamps.set(path, stampOf(root, path));
}

/** What tells whether a file of a clone has been changed: its inode and change time. */
export function stampOf(root: string, path: BytePath): string {
  const base = bytePathOf(root);
  const { ino, ctimeNs } = lstatSync(fsPath(path === "" ? base : `${base}/${path}`), { bigint: true });
  return `${ino}:${ctimeNs}`;
}

/** Where the stamps of a cloned tree are kept. */
export function stampsFile(tree: string): string {
  return `${tree}.stamps`;
}

/** Keeps the stamps beside their tree. */
export function writeStamps(tree: string, stamps: Stamps): void {
  const parts: string[] = [];
  for (const [path, stamp] of stamps) parts.push(stamp, path);
  writeFileSync(stampsFile(tree), parts.join("\0"), { encoding: "latin1", mode: 0o600 });
}

/** Reads what `writeStamps` kept. */
export function readStamps(tree: string): Stamps {
  const parts = readFileSync(stampsFile(tree), "latin1").split("\0");
  const stamps: Stamps = new Map();
  for (let i = 0; i + 1 < parts.length; i += 2) stamps.set(parts[i + 1]!, parts[i]!);
  return stamps;
}
