import type { BytePath } from "../core/index.ts";

/** What a row is, as the number that is stored. The order is part of no format. */
export const rowTypes = ["file", "directory", "symlink", "char", "block", "fifo"] as const;
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
  const rows: Row[] = [];
  const ends: number[] = [];
  return {
    get count() {
      return rows.length;
    },
    add(row: Row): number {
      return rows.push(row) - 1;
    },
    close(index: number): void {
      ends[index] = rows.length;
    },
    drop(index: number): void {
      rows.length = index;
      ends.length = Math.min(ends.length, index);
    },
    finish: () => tableOf(rows, ends),
  };
}

function tableOf(rows: readonly Row[], ends: readonly number[]): TreeTable {
  const count = rows.length;
  const column = () => new Float64Array(count);
  const table = {
    count,
    paths: rows.map((row) => row.path),
    type: new Uint8Array(count),
    mode: new Uint16Array(count),
    size: column(),
    mtime: column(),
    ctime: column(),
    dev: column(),
    ino: column(),
    rdev: column(),
    end: new Int32Array(count),
    twin: new Int32Array(count),
    shared: new Set<number>(),
    links: new Map<number, BytePath>(),
  };
  for (let i = 0; i < count; i++) {
    const row = rows[i]!;
    table.type[i] = rowTypes.indexOf(row.type);
    table.mode[i] = row.mode;
    table.size[i] = row.size;
    table.mtime[i] = row.mtime;
    table.ctime[i] = row.ctime;
    table.dev[i] = row.dev;
    table.ino[i] = row.ino;
    table.rdev[i] = row.rdev;
    table.end[i] = ends[i] ?? i + 1;
    table.twin[i] = row.twin;
    if (row.twin >= 0) table.shared.add(row.twin);
    if (row.link !== undefined) table.links.set(i, row.link);
  }
  return table;
}

/** Rows of the direct children of a directory's row. */
export function* childRows(table: TreeTable, row: number): Generator<number> {
  const end = table.end[row]!;
  for (let i = row + 1; i < end; i = table.end[i]!) yield i;
}

export function rowType(table: TreeTable, row: number): RowType {
  return rowTypes[table.type[row]!]!;
}

/** Path on the host of a path in the tree. */
export function joinHost(root: BytePath, path: BytePath): BytePath {
  return root === "/" ? `/${path}` : `${root}/${path}`;
}
