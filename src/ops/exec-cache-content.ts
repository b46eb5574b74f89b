import {
  chmodSync,
  closeSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { setImmediate } from "node:timers/promises";
import { BuildError, type BytePath, bytePathOf, fileTime, fsPath, textOf } from "../core/index.ts";
import { copyBytes, type FoundEntry, type Rootfs } from "../snapshot/index.ts";
import { type Gift, isPrivileged } from "../stacking/index.ts";
import { makeNode } from "../sys/index.ts";

/** After so many bytes, an entry counting as some, the event loop gets its turn. */
const turnBytes = 16 << 20;
const entriesWorth = 64 << 10;

/**
 * Copies the directory `source` of a root filesystem to `target`, a directory that does not exist yet: with modes, times,
 * links and xattrs. Returns whose the files are to be.
 */
export async function copyContent(
  rootfs: Rootfs,
  source: BytePath,
  target: string,
  signal: AbortSignal,
): Promise<Gift[]> {
  const gifts: Gift[] = [];
  const base = bytePathOf(target);
  const directories: { entry: FoundEntry; path: BytePath }[] = [];
  const names = new Map<string, BytePath>();
  let sinceTurn = 0;
  for (const entry of rootfs.walk(source)) {
    sinceTurn += entriesWorth + entry.size;
    if (sinceTurn > turnBytes) {
      await setImmediate();
      signal.throwIfAborted();
      sinceTurn = 0;
    }
    const path =
      entry.path === source ? base : `${base}/${entry.path.slice(source === "" ? 0 : source.length + 1)}`;
    const inode = entry.type === "hardlink" ? rootfs.inode(entry) : entry;
    if (inode.type === "directory") {
      mkdirSync(fsPath(path), { mode: 0o700 });
      directories.push({ entry: inode, path });
      continue;
    }
    const key = `${inode.layer.id} ${inode.path}`;
    const known = names.get(key);
    if ((inode.type === "char" || inode.type === "block") && !isPrivileged()) continue;
    if (known !== undefined) linkSync(fsPath(known), fsPath(path));
    else {
      makeEntry(inode, path);
      gifts.push(giftOf(inode, path));
    }
    names.set(key, path);
  }
  // Last, and inner ones first: making a child changes the time of its parent, and its mode may forbid it.
  for (const { entry, path } of directories.reverse()) {
    describe(entry, path);
    gifts.push(giftOf(entry, path));
  }
  return gifts;
}

function giftOf({ type, uid, gid, mode, xattrs }: FoundEntry, path: BytePath): Gift {
  return type === "symlink" ? { path, uid, gid, mode: undefined } : { path, uid, gid, mode, xattrs };
}

function makeEntry(entry: FoundEntry, path: BytePath): void {
  const host = fsPath(path);
  switch (entry.type) {
    case "symlink":
      symlinkSync(fsPath(entry.linkname), host);
      lutimesSync(host, fileTime(entry.mtime), fileTime(entry.mtime));
      return;
    case "file":
      copyFile(entry, host);
      break;
    case "char":
    case "block":
    case "fifo":
      makeNode(host, entry.type, 0o600, entry.devMajor, entry.devMinor);
      break;
    default:
      throw new BuildError("internal", `${textOf(entry.path)}: a ${entry.type} has no content of its own`);
  }
  describe(entry, path);
}

function describe(entry: FoundEntry, path: BytePath): void {
  const host = fsPath(path);
  chmodSync(host, entry.mode);
  utimesSync(host, fileTime(entry.mtime), fileTime(entry.mtime));
}

function copyFile(entry: FoundEntry, target: string | Buffer): void {
  const bytes = entry.layer.open(entry.path);
  try {
    const out = openSync(target, "wx", 0o600);
    try {
      copyBytes(bytes, entry.path, out);
    } finally {
      closeSync(out);
    }
  } finally {
    bytes.close();
  }
}
