import { closeSync, openSync, readFileSync } from "node:fs";
import { BuildError, type BytePath, fsPath, textOf } from "../core/index.ts";
import type { LayerEntry, LayerView } from "../snapshot/index.ts";
import { childRows, joinHost, rowType, type TreeTable } from "./local-table.ts";

const readLimit = 16 << 20;

/** Row of a path, through a map that is made at the first question. */
export function rowFinder(table: TreeTable): (path: BytePath) => number | undefined {
  let rows: Map<BytePath, number> | undefined;
  return (path) => {
    if (path === "") return 0;
    rows ??= new Map(table.paths.map((name, row) => [name, row]));
    return rows.get(path);
  };
}

/** Whole seconds, as a layer packs them. */
export function secondsAt(table: TreeTable, row: number): number {
  return Math.floor(table.mtime[row]! / 1000);
}

/** Device numbers as Linux packs them into one. */
export function deviceAt(table: TreeTable, row: number): { devMajor: number; devMinor: number } {
  const rdev = BigInt(table.rdev[row]!);
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return { devMajor: Number(major), devMinor: Number(minor) };
}

/** A scanned directory as one layer. `digestOf` gives the sha256 of a file's row. */
export function viewOfTable(
  id: string,
  root: BytePath,
  table: TreeTable,
  digestOf: (row: number) => Uint8Array,
): LayerView {
  const find = rowFinder(table);
  const hostPath = (row: number) => fsPath(joinHost(root, table.paths[row]!));
  const fileRow = (path: BytePath): number => {
    const row = find(path);
    if (row !== undefined && rowType(table, row) === "file") return row;
    throw new BuildError("not-found", `${textOf(path)} is not a file of ${textOf(root)}`);
  };
  function* below(row: number): Generator<LayerEntry> {
    for (let i = row; i < table.end[row]!; i++) yield entryOf(table, i);
  }
  return {
    id,
    hidesNothing: true,
    lookup(path) {
      const row = find(path);
      return row === undefined ? undefined : entryOf(table, row);
    },
    isWhiteout: () => false,
    isOpaque: () => false,
    *children(path) {
      const row = find(path);
      if (row !== undefined) for (const child of childRows(table, row)) yield entryOf(table, child);
    },
    *entries(path) {
      const row = find(path);
      if (row !== undefined) yield* [...below(row)].sort((a, b) => (a.path < b.path ? -1 : 1));
    },
    *whiteouts() {},
    read(path) {
      const row = fileRow(path);
      if (table.size[row]! > readLimit)
        throw new BuildError("resource-exhausted", `${textOf(path)} is larger than ${readLimit} bytes`);
      return readFileSync(hostPath(row));
    },
    open(path) {
      const row = fileRow(path);
      const fd = openSync(hostPath(row), "r");
      return { fd, position: 0, size: table.size[row]!, close: () => closeSync(fd) };
    },
    fileDigest: (path) => digestOf(fileRow(path)),
    saveDigests() {},
    close() {},
  };
}

function entryOf(table: TreeTable, row: number): LayerEntry {
  const twin = table.twin[row]!;
  return {
    path: table.paths[row]!,
    type: twin >= 0 ? "hardlink" : rowType(table, row),
    mode: table.mode[row]!,
    uid: 0,
    gid: 0,
    size: twin >= 0 ? 0 : table.size[row]!,
    mtime: secondsAt(table, row),
    linkname: twin >= 0 ? table.paths[twin]! : (table.links.get(row) ?? ""),
    ...deviceAt(table, row),
  };
}
