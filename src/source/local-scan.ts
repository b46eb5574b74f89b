import { lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import {
  BuildError,
  type BytePath,
  fsPath,
  type IgnoredDirectory,
  type IgnoreMatcher,
  textOf,
} from "../core/index.ts";
import { type Row, type RowType, type TreeTable, tableBuilder } from "./local-table.ts";

export interface ScanFilter {
  /** Only what matches, and the directories above it. */
  readonly include?: IgnoreMatcher | undefined;
  readonly exclude?: IgnoreMatcher | undefined;
}

export interface ScanOptions extends ScanFilter {
  /** Gives up, returning `undefined`, beyond so many entries. */
  readonly limit?: number;
}

class TooMany extends Error {}

/**
 * Walks a directory as fsutil's filtered walk does: a path is part of the tree when it matches an include pattern and no
 * exclude pattern; directories above such a path come with it. Symlinks are not followed. What vanishes during
 * the walk is skipped. A socket becomes an empty file, which is what BuildKit's transfer makes of it.
 * `root` is absolute and without symlinks.
 */
export function scanDirectory(root: BytePath, options: ScanOptions): TreeTable | undefined {
  const walk = {
    prefix: root === "/" ? "/" : `${root}/`,
    include: options.include,
    exclude: options.exclude,
    mayInclude: options.include ? pathsAbove(options.include) : () => true,
    limit: options.limit ?? Number.POSITIVE_INFINITY,
    inodes: new Map<string, number>(),
    table: tableBuilder(),
  };
  const stats = lstatSync(fsPath(root));
  if (!stats.isDirectory()) throw new BuildError("invalid-argument", `${textOf(root)}: not a directory`);
  walk.table.add(rowOf(walk, "", stats)!);
  try {
    scanChildren(walk, "", undefined, undefined, false);
  } catch (error) {
    if (error instanceof TooMany) return undefined;
    throw error;
  }
  walk.table.close(0);
  return walk.table.finish();
}

interface Walk {
  readonly prefix: BytePath;
  readonly include: IgnoreMatcher | undefined;
  readonly exclude: IgnoreMatcher | undefined;
  /** Whether something below a directory can be included. */
  readonly mayInclude: (directory: string) => boolean;
  readonly limit: number;
  /** Row of the first name of each inode that has several. */
  readonly inodes: Map<string, number>;
  readonly table: ReturnType<typeof tableBuilder>;
}

function scanChildren(
  walk: Walk,
  directory: BytePath,
  include: IgnoredDirectory | undefined,
  exclude: IgnoredDirectory | undefined,
  excluded: boolean,
): void {
  for (const name of namesIn(walk, directory, excluded)) {
    const path = directory === "" ? name : `${directory}/${name}`;
    scanPath(walk, path, include, exclude);
  }
}

function scanPath(
  walk: Walk,
  path: BytePath,
  parentInclude: IgnoredDirectory | undefined,
  parentExclude: IgnoredDirectory | undefined,
): void {
  const stats = lstatSync(fsPath(walk.prefix + path), { throwIfNoEntry: false });
  if (stats === undefined) return;
  const text = walk.include || walk.exclude ? textOf(path) : "";
  if (stats.isDirectory()) scanBelow(walk, path, text, stats, parentInclude, parentExclude);
  else if (walk.include?.excludesEntry(text, parentInclude) !== false)
    if (walk.exclude?.excludesEntry(text, parentExclude) !== true) {
      const row = rowOf(walk, path, stats);
      if (row) addRow(walk, row);
    }
}

function scanBelow(
  walk: Walk,
  path: BytePath,
  text: string,
  stats: Stats,
  parentInclude: IgnoredDirectory | undefined,
  parentExclude: IgnoredDirectory | undefined,
): void {
  // An include pattern "excludes" what it matches: the matcher only knows patterns.
  const included = walk.include?.enter(text, parentInclude);
  const excluded = walk.exclude?.enter(text, parentExclude);
  if (excluded?.skip || (included?.excluded === false && !walk.mayInclude(text))) return;
  const wanted = included?.excluded !== false && excluded?.excluded !== true;
  const index = addRow(walk, rowOf(walk, path, stats)!);
  scanChildren(walk, path, included, excluded, !wanted);
  if (!wanted && walk.table.count === index + 1) walk.table.drop(index);
  else walk.table.close(index);
}

function addRow(walk: Walk, row: Row): number {
  if (walk.table.count >= walk.limit) throw new TooMany();
  return walk.table.add(row);
}

function namesIn(walk: Walk, directory: BytePath, excluded: boolean): BytePath[] {
  try {
    return readdirSync(fsPath(walk.prefix + directory), { encoding: "latin1" }).sort();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    const denied = code === "EACCES" || code === "EPERM";
    if (denied && excluded) return [];
    throw unreadable("directory", walk.prefix + directory, error);
  }
}

/** The error for a file or directory of the host that cannot be read. */
export function unreadable(what: "file" | "directory", path: BytePath, cause: unknown): BuildError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const denied = code === "EACCES" || code === "EPERM";
  return new BuildError(
    denied ? "permission-denied" : "failed-precondition",
    `cannot read ${what} ${textOf(path)}: ${denied ? "permission denied" : code}`,
    { cause, hint: "make it readable, or exclude it in .dockerignore" },
  );
}

function rowOf(walk: Walk, path: BytePath, stats: Stats): Row | undefined {
  const type = typeOf(stats);
  let link: BytePath | undefined;
  if (type === "symlink") {
    link = linkTarget(walk.prefix + path);
    if (link === undefined) return undefined;
  }
  const regular = stats.isFile();
  return {
    path,
    type,
    mode: type === "symlink" ? 0o777 : stats.mode & 0o7777,
    size: regular ? stats.size : 0,
    mtime: stats.mtimeMs,
    ctime: stats.ctimeMs,
    dev: stats.dev,
    ino: stats.ino,
    rdev: type === "char" || type === "block" ? stats.rdev : 0,
    twin: regular && stats.nlink > 1 ? twinOf(walk, path, stats) : -1,
    link,
  };
}

function typeOf(stats: Stats): RowType {
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isCharacterDevice()) return "char";
  if (stats.isBlockDevice()) return "block";
  if (stats.isFIFO()) return "fifo";
  return "file";
}

function linkTarget(path: BytePath): BytePath | undefined {
  try {
    return readlinkSync(fsPath(path), { encoding: "latin1" });
  } catch {
    return undefined;
  }
}

/** Row that has the same inode; this row becomes the first when there is none. */
function twinOf(walk: Walk, path: BytePath, stats: Stats): number {
  let ino = String(stats.ino);
  if (!Number.isSafeInteger(stats.ino)) {
    const exact = lstatSync(fsPath(walk.prefix + path), { bigint: true, throwIfNoEntry: false });
    if (exact === undefined) return -1;
    ino = String(exact.ino);
  }
  const key = `${stats.dev}:${ino}`;
  const first = walk.inodes.get(key);
  if (first !== undefined) return first;
  walk.inodes.set(key, walk.table.count);
  return -1;
}

/**
 * Tells which directories have to be visited for the include patterns: when all patterns are plain paths, only those on
 * their way.
 */
function pathsAbove(matcher: IgnoreMatcher): (directory: string) => boolean {
  const paths = matcher.rules
    .filter((rule) => !rule.exception)
    .map((rule) => rule.pattern.replace(/\/\*\*$/, "").replace(/\/\*$/, ""));
  if (paths.some((path) => /[*[\]?^\\]/.test(path))) return () => true;
  return (directory) => paths.some((path) => `${path}/`.startsWith(`${directory}/`));
}
