import type { BytePath } from "../core/index.ts";

/** What a row is, as the number that is stored. The order is part of no format. */
const rowTypes = ["file", "directory", "symlink", "char", "block", "fifo"] as const;
export type RowType = (typeof rowTypes)[number];

/**
 * A scanned directory, one row per path, depth first with names in byte order; row 0 is the directory itself.
 * Columns instead of objects, so that a tree of 100,000 entries is cheap to hold and to hand to a worker.
 */
export interface TreeTable {
  readonly count: number;
  readonly paths: readonly BytePath[];
  readonly type: Uint8Array;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: Uint16Array;
  /** Bytes; 0 for everything but files. */
  readonly size: Float64Array<ArrayBuffer>;
  /** Milliseconds since the epoch; a double holds them to a quarter of a microsecond. */
  readonly mtime: Float64Array<ArrayBuffer>;
  readonly ctime: Float64Array<ArrayBuffer>;
  readonly dev: Float64Array<ArrayBuffer>;
  readonly ino: Float64Array<ArrayBuffer>;
  readonly rdev: Float64Array<ArrayBuffer>;
  /** First row after the subtree of this one. */
  readonly end: Int32Array;
  /** Row of the first name of the same inode, or -1. */
  readonly twin: Int32Array;
  /** Rows that are the twin of another. */
  readonly shared: ReadonlySet<number>;
  /** Targets of symlinks, by row. */
  readonly links: ReadonlyMap<number, BytePath>;
}

/** A row while the walk adds it. */
export interface Row {
  path: BytePath;
  type: RowType;
  mode: number;
  size: number;
  mtime: number;
  ctime: number;
  dev: number;
  ino: number;
  rdev: number;
  twin: number;
  link: BytePath | undefined;
}

/** Collects rows; directories are closed after their children, and taken back when nothing came of them. */
export function tableBuilder() {
  let columns = emptyColumns(1024);
  const paths: BytePath[] = [];
  const shared = new Set<number>();
  const links = new Map<number, BytePath>();
  return {
    get count() {
      return paths.length;
    },
    add(row: Row): number {
      const at = paths.push(row.path) - 1;
      if (at === columns.size.length) columns = resized(columns, 2 * at);
      columns.type[at] = rowTypes.indexOf(row.type);
      columns.mode[at] = row.mode;
      columns.size[at] = row.size;
      columns.mtime[at] = row.mtime;
      columns.ctime[at] = row.ctime;
      columns.dev[at] = row.dev;
      columns.ino[at] = row.ino;
      columns.rdev[at] = row.rdev;
      columns.end[at] = at + 1;
      columns.twin[at] = row.twin;
      if (row.twin >= 0) shared.add(row.twin);
      if (row.link !== undefined) links.set(at, row.link);
      return at;
    },
    close(index: number): void {
      columns.end[index] = paths.length;
    },
    /** Takes back a directory that is the last row. */
    drop(index: number): void {
      paths.length = index;
    },
    finish: (): TreeTable => ({
      count: paths.length,
      paths,
      shared,
      links,
      ...resized(columns, paths.length),
    }),
  };
}

type Columns = Pick<
  TreeTable,
  "type" | "mode" | "size" | "mtime" | "ctime" | "dev" | "ino" | "rdev" | "end" | "twin"
>;

function emptyColumns(length: number): Columns {
  const doubles = () => new Float64Array(length);
  return {
    type: new Uint8Array(length),
    mode: new Uint16Array(length),
    size: doubles(),
    mtime: doubles(),
    ctime: doubles(),
    dev: doubles(),
    ino: doubles(),
    rdev: doubles(),
    end: new Int32Array(length),
    twin: new Int32Array(length),
  };
}

/** A copy with room for `length` rows. */
function resized(columns: Columns, length: number): Columns {
  const copy = emptyColumns(length);
  for (const [name, column] of Object.entries(columns))
    copy[name as keyof Columns].set(column.length > length ? column.subarray(0, length) : column);
  return copy;
}

/** Rows of the direct children of a directory's row. */
export function* childRows(table: TreeTable, row: number): Generator<number> {
  const end = table.end[row]!;
  for (let i = row + 1; i < end; i = table.end[i]!) yield i;
}

/** Rows of all directories. */
export function directoryRows(table: TreeTable): number[] {
  const rows: number[] = [];
  for (let row = 0; row < table.count; row++) if (rowType(table, row) === "directory") rows.push(row);
  return rows;
}

/** What kind of file a row is. */
export function rowType(table: TreeTable, row: number): RowType {
  return rowTypes[table.type[row]!]!;
}

/** Path on the host of a path in the tree. */
export function joinHost(root: BytePath, path: BytePath): BytePath {
  return root === "/" ? `/${path}` : `${root}/${path}`;
}
