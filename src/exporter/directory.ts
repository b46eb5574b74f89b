import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { type BytePath, fileTime, fsPath, makeDirectories } from "../core/index.ts";
import { copyBytes, type FoundEntry, type Rootfs } from "../snapshot/index.ts";
import { forEachEntry, type RootfsOptions } from "./rootfs-tar.ts";

type HostPath = string | Buffer;

/**
 * Writes a root filesystem into a directory, over what is there. Files belong to the caller and appear by rename, so that
 * nobody sees half of one. Symbolic links below the directory are replaced, never followed. Returns the paths that are left
 * out: devices and pipes have no place in a directory of the user's.
 */
export async function writeDirectory(
  rootfs: Rootfs,
  directory: string,
  options: RootfsOptions = {},
): Promise<readonly BytePath[]> {
  makeDirectories(directory);
  const skipped: BytePath[] = [];
  const directories: FoundEntry[] = [];
  const timeOf = (entry: FoundEntry) =>
    options.epoch === undefined ? entry.mtime : Math.floor(options.epoch / 1000);
  await forEachEntry(rootfs, options, (entry, original) => {
    const target = hostPath(directory, entry.path);
    const inode = entry.type === "hardlink" ? rootfs.inode(entry) : entry;
    if (inode.type === "directory") {
      makeDirectory(target);
      directories.push(entry);
    } else if (original !== undefined)
      place(target, (temporary) => linkSync(hostPath(directory, original), temporary));
    else if (inode.type === "file") place(target, (temporary) => copyFile(inode, temporary, timeOf(inode)));
    else if (inode.type === "symlink")
      place(target, (temporary) => symlinkSync(fsPath(inode.linkname), temporary));
    else skipped.push(entry.path);
  });
  // Last, and inner ones first: writing into a directory changes its time, and its mode may forbid it.
  for (const entry of directories.reverse()) {
    const target = hostPath(directory, entry.path);
    chmodSync(target, entry.mode);
    const time = fileTime(timeOf(entry));
    utimesSync(target, time, time);
  }
  return skipped;
}

function hostPath(directory: string, path: BytePath): HostPath {
  const below = fsPath(path);
  return typeof below === "string"
    ? `${directory}/${below}`
    : Buffer.concat([Buffer.from(`${directory}/`), below]);
}

function makeDirectory(target: HostPath): void {
  const found = lstatSync(target, { throwIfNoEntry: false });
  if (found?.isDirectory()) {
    chmodSync(target, (found.mode & 0o7777) | 0o700);
    return;
  }
  if (found !== undefined) rmSync(target);
  mkdirSync(target, { mode: 0o700 });
}

/** Makes something under another name, then renames it over what is there. */
function place(target: HostPath, make: (temporary: HostPath) => void): void {
  const suffix = `.${randomBytes(6).toString("hex")}.tmp`;
  // Beside the target, but with a short name: the target's may be as long as names can be.
  const temporary = siblingOf(target, suffix);
  try {
    make(temporary);
    if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory()) rmSync(target, { recursive: true });
    renameSync(temporary, target);
    // Renaming onto another name of the same file does nothing and leaves both.
    rmSync(temporary, { force: true });
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function siblingOf(target: HostPath, name: string): HostPath {
  if (typeof target === "string") return `${target.slice(0, target.lastIndexOf("/") + 1)}${name}`;
  return Buffer.concat([target.subarray(0, target.lastIndexOf(0x2f) + 1), Buffer.from(name)]);
}

function copyFile(entry: FoundEntry, target: HostPath, mtime: number): void {
  const bytes = entry.layer.open(entry.path);
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const out = openSync(target, flags, 0o600);
    try {
      copyBytes(bytes, entry.path, out);
      const time = fileTime(mtime);
      futimesSync(out, time, time);
    } finally {
      closeSync(out);
    }
    chmodSync(target, entry.mode);
  } finally {
    bytes.close();
  }
}
