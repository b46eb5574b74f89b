import { lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import {
  BuildError,
  type BytePath,
  fsPath,
  type IgnoredDirectory,
  type IgnoreMatcher,
  joinPath,
  textOf,
} from "../core/index.ts";
import {
  childRows,
  directoryRows,
  type Row,
  type RowType,
  rowType,
  type TreeTable,
  tableBuilder,
} from "./local-table.ts";

export interface ScanFilter {
  /** Only what matches, and the directories above it. */
  readonly include?: IgnoreMatcher | undefined;
  readonly exclude?: IgnoreMatcher | undefined;
}

export interface ScanOptions extends ScanFilter {
  /** Gives up, returning `undefined`, beyond so many entries. */
  readonly limit?: number;
  /** Directories that need not be read. */
  readonly known?: KnownDirectories;
}

/** A table of the same directory through the same filter, and what of it still holds. */
export interface KnownDirectories {
  readonly table: TreeTable;
  /** By row: 1 for a directory whose entries are as they were. */
  readonly same: Uint8Array;
}

class TooMany extends Error {}

/**
 * Walks a directory as fsutil's filtered walk does: a path is part of the tree when it matches an include pattern and no
 * exclude pattern; directories above such a path come with it. Symlinks are not followed. What vanishes during
 * the walk is skipped. A socket becomes an empty file, which is what BuildKit's transfer makes of it.
 * `root` is absolute and without symlinks.
 */
export function scanDirectory(root: BytePath, options: ScanOptions): TreeTable | undefined {
  const walk = openWalk(root, options);
  const stats = lstatSync(fsPath(root));
  if (!stats.isDirectory()) throw new BuildError("invalid-argument", `${textOf(root)}: not a directory`);
  walk.table.add(rowOf(walk, "", stats)!);
  try {
    scanChildren(walk, "", undefined, undefined, false, walk.known && 0);
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
  readonly known: (KnownDirectories & { readonly rows: ReadonlyMap<BytePath, number> }) | undefined;
  /** Row of the first name of each inode that has several. */
  readonly inodes: Map<string, number>;
  readonly table: ReturnType<typeof tableBuilder>;
}

function openWalk(root: BytePath, { include, exclude, limit, known }: ScanOptions): Walk {
  return {
    prefix: root === "/" ? "/" : `${root}/`,
    include,
    exclude,
    mayInclude: include ? pathsAbove(include) : () => true,
    limit: limit ?? Number.POSITIVE_INFINITY,
    known: known && {
      ...known,
      rows: new Map(directoryRows(known.table).map((row) => [known.table.paths[row]!, row])),
    },
    inodes: new Map(),
    table: tableBuilder(),
  };
}

/** `known` is the directory's row in the known table, when it has one. */
function scanChildren(
  walk: Walk,
  directory: BytePath,
  include: IgnoredDirectory | undefined,
  exclude: IgnoredDirectory | undefined,
  excluded: boolean,
  known: number | undefined,
): void {
  if (known === undefined || walk.known!.same[known] === 0) {
    for (const name of namesIn(walk.prefix + directory, excluded))
      scanPath(walk, directory === "" ? name : `${directory}/${name}`, include, exclude);
    return;
  }
  const { table } = walk.known!;
  for (const row of childRows(table, known))
    if (rowType(table, row) === "directory") scanBelow(walk, knownRow(walk, row), include, exclude, row);
    else if (isWanted(walk, table.paths[row]!, include, exclude)) addRow(walk, knownRow(walk, row));
}

function scanPath(
  walk: Walk,
  path: BytePath,
  include: IgnoredDirectory | undefined,
  exclude: IgnoredDirectory | undefined,
): void {
  const stats = lstatSync(fsPath(walk.prefix + path), { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (stats.isDirectory())
    scanBelow(walk, rowOf(walk, path, stats)!, include, exclude, walk.known?.rows.get(path));
  else if (isWanted(walk, path, include, exclude)) {
    const row = rowOf(walk, path, stats);
    if (row) addRow(walk, row);
  }
}

/** Whether the filter lets something through that is no directory. */
function isWanted(
  walk: Walk,
  path: BytePath,
  include: IgnoredDirectory | undefined,
  exclude: IgnoredDirectory | undefined,
): boolean {
  const text = walk.include || walk.exclude ? textOf(path) : "";
  return (
    walk.include?.excludesEntry(text, include) !== false &&
    walk.exclude?.excludesEntry(text, exclude) !== true
  );
}

function scanBelow(
  walk: Walk,
  row: Row,
  parentInclude: IgnoredDirectory | undefined,
  parentExclude: IgnoredDirectory | undefined,
  known: number | undefined,
): void {
  const text = walk.include || walk.exclude ? textOf(row.path) : "";
  // An include pattern "excludes" what it matches: the matcher only knows patterns.
  const included = walk.include?.enter(text, parentInclude);
  const excluded = walk.exclude?.enter(text, parentExclude);
  if (excluded?.skip || (included?.excluded === false && !walk.mayInclude(text))) return;
  const wanted = included?.excluded !== false && excluded?.excluded !== true;
  const index = addRow(walk, row);
  scanChildren(walk, row.path, included, excluded, !wanted, known);
  if (!wanted && walk.table.count === index + 1) walk.table.drop(index);
  else walk.table.close(index);
}

/** Tells whether nothing of these names of a directory gets through the filter. */
export function ignoringAll(
  root: BytePath,
  filter: ScanFilter,
): (directory: BytePath, names: readonly BytePath[]) => boolean {
  if (!filter.include && !filter.exclude) return () => false;
  const walk = openWalk(root, filter);
  return (directory, names) => {
    const { include, exclude } = statesIn(walk, directory);
    return names.every((name) => {
      scanPath(walk, joinPath(directory, name), include, exclude);
      return walk.table.count === 0;
    });
  };
}

function statesIn(walk: Walk, directory: BytePath) {
  let include: IgnoredDirectory | undefined;
  let exclude: IgnoredDirectory | undefined;
  if (directory !== "")
    for (let end = 0; end >= 0; ) {
      end = directory.indexOf("/", end + 1);
      const text = textOf(end < 0 ? directory : directory.slice(0, end));
      include = walk.include?.enter(text, include);
      exclude = walk.exclude?.enter(text, exclude);
    }
  return { include, exclude };
}

function addRow(walk: Walk, row: Row): number {
  if (walk.table.count >= walk.limit) throw new TooMany();
  return walk.table.add(row);
}

/** Names in byte order. None for what vanished, or may not be read and is not wanted for itself. */
export function namesIn(directory: BytePath, excluded: boolean): BytePath[] {
  try {
    return readdirSync(fsPath(directory), { encoding: "latin1" }).sort();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    const denied = code === "EACCES" || code === "EPERM";
    if (denied && excluded) return [];
    throw unreadable("directory", directory, error);
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

/** A row of the known table. */
function knownRow(walk: Walk, row: number): Row {
  const { table } = walk.known!;
  const path = table.paths[row]!;
  const linked = table.twin[row]! >= 0 || table.shared.has(row);
  return {
    path,
    type: rowType(table, row),
    mode: table.mode[row]!,
    size: table.size[row]!,
    mtime: table.mtime[row]!,
    ctime: table.ctime[row]!,
    dev: table.dev[row]!,
    ino: table.ino[row]!,
    rdev: table.rdev[row]!,
    twin: linked ? twinOf(walk, path, { dev: table.dev[row]!, ino: table.ino[row]! }) : -1,
    link: table.links.get(row),
  };
}

export function typeOf(stats: Stats): RowType {
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
function twinOf(walk: Walk, path: BytePath, stats: Pick<Stats, "dev" | "ino">): number {
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
