import { BuildError, type BytePath, bytePathOf, type ErrorCode, nameOf, parentOf } from "../core/index.ts";
import type { MkdirAction, MkfileAction, RmAction, SymlinkAction } from "../llb/index.ts";
import { expandWildcards } from "./file-match.ts";
import type { Owner } from "./file-owner.ts";
import type { Staging } from "./file-staging.ts";
import { cleanPath, type Node, resolvePath, rootNode, shown, unspecifiedTime } from "./file-tree.ts";

/** A file operation that failed the way the kernel would have it: `mkdir /a: not a directory`. */
function operationError(operation: string, path: BytePath, reason: string): BuildError {
  const code: ErrorCode = reason === "no such file or directory" ? "not-found" : "failed-precondition";
  return new BuildError(code, `${operation} ${shown(path)}: ${reason}`);
}

/** Whole seconds from an action's nanoseconds. */
export function secondsOf(timestamp: bigint): number {
  if (timestamp === -1n) return unspecifiedTime;
  const seconds = timestamp / 1_000_000_000n;
  return Number(timestamp < 0n && timestamp % 1_000_000_000n !== 0n ? seconds - 1n : seconds);
}

/** Creates a name whose parent must be a directory. Below a setgid directory, group and bit are inherited. */
function create(
  fs: Staging,
  operation: string,
  path: BytePath,
  node: Pick<Node, "type" | "mode" | "mtime"> & Partial<Node>,
  owner: Owner | undefined,
): void {
  const parent = fs.lookup(parentOf(path));
  if (parent === undefined) throw operationError(operation, path, "no such file or directory");
  if (parent.type !== "directory") throw operationError(operation, path, "not a directory");
  const inherits = (parent.mode & 0o2000) !== 0;
  const setgid = inherits && node.type === "directory" ? 0o2000 : 0;
  const { uid, gid } = owner ?? { uid: 0, gid: inherits ? parent.gid : 0 };
  fs.put(path, { ...rootNode, ...node, mode: node.mode | setgid, uid, gid });
}

/** Makes a directory and what is missing above it; what exists stays as it is. `path` has no symlinks left. */
export function makeDirectories(
  fs: Staging,
  path: BytePath,
  mode: number,
  owner: Owner | undefined,
  mtime: number,
): void {
  const node = fs.lookup(path);
  if (node?.type === "directory") return;
  if (node !== undefined) throw operationError("mkdir", path, "not a directory");
  const parent = parentOf(path);
  const above = fs.lookup(parent);
  // The first name below a file cannot even be looked up.
  if (above !== undefined && above.type !== "directory")
    throw operationError("lstat", path, "not a directory");
  makeDirectories(fs, parent, mode, owner, mtime);
  create(fs, "mkdir", path, { type: "directory", mode, mtime }, owner);
}

/** Carries out a mkdir. */
export function mkdir(fs: Staging, action: MkdirAction, owner: Owner | undefined): void {
  const path = resolvePath(fs, bytePathOf(action.path), { last: "follow" });
  const mode = action.mode & 0o777;
  const mtime = secondsOf(action.timestamp);
  if (action.makeParents) makeDirectories(fs, path, mode, owner, mtime);
  else if (fs.lookup(path) === undefined)
    create(fs, "mkdir", path, { type: "directory", mode, mtime }, owner);
}

/** Writes a file. One that exists keeps mode and (unless an owner is given) owner, as writing to it would. */
export function mkfile(fs: Staging, action: MkfileAction, owner: Owner | undefined): void {
  const path = resolvePath(fs, bytePathOf(action.path), { last: "follow" });
  const before = fs.lookup(path);
  if (before?.type === "directory") throw operationError("open", path, "is a directory");
  const content = { kind: "bytes", bytes: action.data } as const;
  const file = { size: action.data.length, content, mtime: secondsOf(action.timestamp) };
  if (before?.type === "file") {
    if (!fs.isStaged(path)) fs.pin();
    fs.put(path, { ...before, ...file, ...owner, inode: undefined, xattrs: undefined });
  } else create(fs, "open", path, { ...file, type: "file", mode: action.mode & 0o777 }, owner);
}

/** Carries out a symlink. */
export function symlink(fs: Staging, action: SymlinkAction, owner: Owner | undefined): void {
  const path = resolvePath(fs, bytePathOf(action.newpath), { last: "follow" });
  if (fs.lookup(path) !== undefined) throw operationError("symlink", path, "file exists");
  const link = bytePathOf(action.oldpath);
  create(
    fs,
    "symlink",
    path,
    { type: "symlink", mode: 0o777, link, mtime: secondsOf(action.timestamp) },
    owner,
  );
}

/** Carries out an rm. */
export function rm(fs: Staging, action: RmAction): void {
  const path = cleanPath(bytePathOf(action.path));
  if (!action.allowWildcard) {
    removePath(fs, path, action.allowNotFound);
    return;
  }
  const resolve = (start: BytePath) => resolveParent(fs, start);
  for (const match of expandWildcards(fs, path, resolve) ?? []) removePath(fs, match, action.allowNotFound);
}

function removePath(fs: Staging, path: BytePath, allowNotFound: boolean): void {
  if (path === "") throw new BuildError("invalid-argument", "rm: the root directory cannot be removed");
  const resolved = resolveParent(fs, path);
  if (!allowNotFound && fs.lookup(resolvePath(fs, path, { last: "follow" })) === undefined)
    throw operationError("stat", path, "no such file or directory");
  if (fs.lookup(resolved) !== undefined) fs.remove(resolved);
}

/** Follows symlinks in all components but the last. */
function resolveParent(fs: Staging, path: BytePath): BytePath {
  if (path === "") return "";
  const parent = resolvePath(fs, parentOf(path), { last: "follow" });
  return parent === "" ? nameOf(path) : `${parent}/${nameOf(path)}`;
}
