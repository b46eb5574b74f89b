import {
  BuildError,
  type BytePath,
  bytePathOf,
  createIgnoreMatcher,
  type IgnoredDirectory,
  type IgnoreMatcher,
  joinPath,
  nameOf,
  parentOf,
  textOf,
} from "../core/index.ts";
import type { CopyAction } from "../llb/index.ts";
import { makeDirectories, secondsOf } from "./file-actions.ts";
import { expandWildcards } from "./file-match.ts";
import { missingSource } from "./file-missing.ts";
import { type ModeChange, parseSymbolicMode } from "./file-mode.ts";
import type { Owner } from "./file-owner.ts";
import type { Staging } from "./file-staging.ts";
import { cleanPath, type Node, resolvePath, shown, type Tree } from "./file-tree.ts";

/** Unpacks an archive into a directory of the staging; `false` when the file is none. */
export type Unpack = (archive: Node, path: BytePath, fs: Staging, into: () => BytePath) => boolean;

/** Copies as BuildKit's `COPY` does (fsutil's copy, called by its file backend), rule by rule. */
export function copy(
  fs: Staging,
  from: Tree,
  action: CopyAction,
  owner: Owner | undefined,
  unpack: Unpack,
): void {
  const dest = bytePathOf(action.dest);
  requirePaths(from, action.requiredPaths);
  if (!action.createDestPath) requireParent(fs, dest);
  for (const source of sourcesOf(from, action)) {
    if (action.attemptUnpack && unpackSource(fs, from, source, dest, action, owner, unpack)) continue;
    copySource(fs, from, source, dest, action, owner);
  }
}

/** Paths that `src` stands for; empty when wildcards match nothing and that is allowed. */
export function sourcesOf(from: Tree, action: CopyAction): BytePath[] {
  const source = cleanPath(bytePathOf(action.src));
  if (!action.allowWildcard) return [source];
  const last = action.followSymlink ? "follow" : "keep";
  const found = expandWildcards(from, source, (path) => resolvePath(from, path, { last }));
  if (found === undefined) throw missingSource(source);
  if (found.length === 0 && !action.allowEmptyWildcard)
    throw new BuildError("not-found", `${shown(source)} not found`);
  return found;
}

/** Where a source really is: symlinks resolved, the last one only with `followSymlink`. */
export function followSource(from: Tree, source: BytePath, followSymlink: boolean): BytePath {
  if (followSymlink || source === "") return resolvePath(from, source, { last: "follow" });
  return joinPath(resolvePath(from, parentOf(source), { last: "follow" }), nameOf(source));
}

function requirePaths(from: Tree, paths: readonly string[]): void {
  for (const path of paths.map((text) => cleanPath(bytePathOf(text))))
    if (from.lookup(followSource(from, path, true)) === undefined) throw missingSource(path);
}

function requireParent(fs: Staging, dest: BytePath): void {
  const parent = parentOf(resolvePath(fs, dest, { last: "follow" }));
  if (fs.lookup(parent) === undefined)
    throw new BuildError("not-found", `failed to stat ${shown(dest)}: no such file or directory`);
}

function unpackSource(
  fs: Staging,
  from: Tree,
  source: BytePath,
  dest: BytePath,
  action: CopyAction,
  owner: Owner | undefined,
  unpack: Unpack,
): boolean {
  const path = resolvePath(from, source, { last: "follow" });
  const node = from.lookup(path);
  if (node?.type !== "file") return false;
  return unpack(node, path, fs, () => {
    const into = resolvePath(fs, dest, { last: "follow" });
    makeDirectories(fs, into, 0o755, owner, secondsOf(action.timestamp));
    return into;
  });
}

/** State of copying one source. */
interface Copier {
  readonly fs: Staging;
  readonly from: Tree;
  readonly owner: Owner | undefined;
  readonly mode: ModeChange | undefined;
  /** Overrides the sources' times, in whole seconds. */
  readonly mtime: number | undefined;
  readonly include: IgnoreMatcher | undefined;
  readonly exclude: IgnoreMatcher | undefined;
  readonly replace: boolean;
  /** First copy of each inode of the source. */
  readonly inodes: Map<string, BytePath>;
  /** Directories that exist at the destination only once something below them is copied. */
  readonly pending: PendingDirectory[];
}

interface PendingDirectory {
  readonly node: Node;
  readonly target: BytePath;
  done: boolean;
}

function copySource(
  fs: Staging,
  from: Tree,
  source: BytePath,
  dest: BytePath,
  action: CopyAction,
  owner: Owner | undefined,
): void {
  // Docker's engine has a umask of 022.
  const implicitMode = action.modeStr === "" && action.mode !== -1 ? action.mode & 0o755 : 0o755;
  const implicitTime = secondsOf(action.timestamp);
  const make = (path: BytePath) => makeDirectories(fs, path, implicitMode, owner, implicitTime);

  const directory = isDirectoryPath(dest) ? dest : parentOf(cleanPath(dest));
  make(resolvePath(fs, directory, { last: "follow" }));

  const followed = followSource(from, source, action.followSymlink);
  const node = from.lookup(followed);
  if (node === undefined) throw missingSource(source);

  let target = resolvePath(fs, dest, { last: "follow" });
  const existing = fs.lookup(target);
  const contents = action.dirCopyContents && node.type === "directory";
  if (node.type === "directory" ? !contents && existing : existing?.type === "directory")
    target = joinPath(target, nameOf(source));
  make(contents && existing === undefined ? target : parentOf(target));

  const copier: Copier = {
    fs,
    from,
    owner,
    mode: modeChangeOf(action),
    mtime: action.timestamp === -1n ? undefined : implicitTime,
    include: matcherOf(action.includePatterns),
    exclude: matcherOf(action.excludePatterns),
    replace: action.alwaysReplaceExistingDestPaths,
    inodes: new Map(),
    pending: [],
  };
  if (node.type === "directory") copyTop(copier, followed, node, target);
  else copyLeaf(copier, node, target);
}

function isDirectoryPath(dest: BytePath): boolean {
  return dest.endsWith("/") || dest.endsWith("/.") || dest === "." || dest === "";
}

function modeChangeOf(action: CopyAction): ModeChange | undefined {
  if (action.modeStr !== "") return parseSymbolicMode(action.modeStr);
  return action.mode === -1 ? undefined : () => action.mode & 0o7777;
}

function matcherOf(patterns: readonly string[]): IgnoreMatcher | undefined {
  return patterns.length === 0 ? undefined : createIgnoreMatcher(patterns);
}

/** The source directory itself: one that exists at the destination keeps its metadata, but for the time. */
function copyTop(copier: Copier, source: BytePath, node: Node, target: BytePath): void {
  const existing = copier.fs.lookup(target);
  if (existing === undefined || (existing.type !== "directory" && copier.replace))
    putNode(copier, target, node);
  else if (existing.type !== "directory") throw notADirectory(target);
  else copier.fs.retime(target, existing, copier.mtime ?? node.mtime);
  copyChildren(copier, source, "", target, undefined, undefined);
}

function copyChildren(
  copier: Copier,
  source: BytePath,
  relative: BytePath,
  target: BytePath,
  include: IgnoredDirectory | undefined,
  exclude: IgnoredDirectory | undefined,
): void {
  for (const { name, node } of copier.from.list(source)) {
    const path = joinPath(relative, name);
    copyPath(copier, joinPath(source, name), path, node, joinPath(target, name), include, exclude);
  }
}

/** A path below the source directory. Directories that exist at the destination take over its metadata. */
function copyPath(
  copier: Copier,
  source: BytePath,
  relative: BytePath,
  node: Node,
  target: BytePath,
  parentInclude: IgnoredDirectory | undefined,
  parentExclude: IgnoredDirectory | undefined,
): void {
  const text = copier.include || copier.exclude ? textOf(relative) : "";
  if (node.type !== "directory") {
    // An include pattern "excludes" what it matches: the matcher only knows patterns.
    if (copier.include?.excludesEntry(text, parentInclude) === false) return;
    if (copier.exclude?.excludesEntry(text, parentExclude) === true) return;
    copyPendingDirectories(copier);
    copyLeaf(copier, node, target);
    return;
  }
  const include = copier.include?.enter(text, parentInclude);
  const exclude = copier.exclude?.enter(text, parentExclude);
  if (exclude?.excluded === true && !copier.exclude!.hasExceptions) return;
  const wanted = include?.excluded !== false && exclude?.excluded !== true;
  if (wanted) {
    copyPendingDirectories(copier);
    putDirectory(copier, node, target);
  }
  copier.pending.push({ node, target, done: wanted });
  copyChildren(copier, source, relative, target, include, exclude);
  copier.pending.pop();
}

function copyPendingDirectories(copier: Copier): void {
  for (const pending of copier.pending) {
    if (pending.done) continue;
    const existing = copier.fs.lookup(pending.target);
    if (existing === undefined) putNode(copier, pending.target, pending.node);
    else if (existing.type !== "directory") throw notADirectory(pending.target);
    else {
      if (!copier.fs.isStaged(pending.target)) copier.fs.pin();
      copier.fs.put(pending.target, { ...existing, mode: pending.node.mode });
    }
    pending.done = true;
  }
}

function putDirectory(copier: Copier, node: Node, target: BytePath): void {
  const existing = copier.fs.lookup(target);
  if (existing !== undefined && existing.type !== "directory") {
    if (!copier.replace) throw notADirectory(target);
    copier.fs.remove(target);
  }
  if (existing?.xattrs !== undefined && !copier.fs.isStaged(target)) copier.fs.pin();
  putNode(copier, target, node, existing);
}

function notADirectory(target: BytePath): BuildError {
  return new BuildError("failed-precondition", `cannot copy to non-directory: ${shown(target)}`);
}

/** Anything but a directory: what has the name is removed first, unless it is a directory. */
function copyLeaf(copier: Copier, node: Node, target: BytePath): void {
  const existing = copier.fs.lookup(target);
  if (existing?.type === "directory") {
    if (!copier.replace)
      throw new BuildError("failed-precondition", `cannot replace to directory ${shown(target)} with file`);
    copier.fs.remove(target);
  }
  const first = node.inode === undefined ? undefined : copier.inodes.get(node.inode);
  const linked = first === undefined ? undefined : copier.fs.lookup(first);
  if (linked !== undefined) copier.fs.put(target, linked);
  else {
    if (node.inode !== undefined) copier.inodes.set(node.inode, target);
    putNode(copier, target, node);
  }
}

function putNode(copier: Copier, target: BytePath, node: Node, existing?: Node): void {
  const { owner, mode, mtime, fs } = copier;
  const keepsMode = mode === undefined || node.type === "symlink";
  fs.put(target, {
    ...node,
    uid: owner?.uid ?? node.uid,
    gid: owner?.gid ?? node.gid,
    mode: keepsMode ? node.mode : mode(node.mode, node.type === "directory"),
    mtime: mtime ?? node.mtime,
    // Link groups of different copies must stay apart, or a second COPY of the same file would link to the first.
    inode: node.inode === undefined ? undefined : `${target}\0${node.inode}`,
    xattrs: mergedXattrs(existing, node),
  });
}

/** Copying onto a directory adds its extended attributes to those that are there. */
function mergedXattrs(existing: Node | undefined, node: Node): Node["xattrs"] {
  if (existing?.type !== "directory" || existing.xattrs === undefined) return node.xattrs;
  return new Map([...existing.xattrs, ...(node.xattrs ?? [])]);
}
