import { lstatSync, type Stats } from "node:fs";
import { type BytePath, fsPath, nameOf } from "../core/index.ts";
import { ignoringAll, namesIn, type ScanFilter, typeOf } from "./local-scan.ts";
import { childRows, directoryRows, joinHost, rowType, type TreeTable } from "./local-table.ts";

/** Which directories of a table are still as they were; threads share it. */
export interface Comparison {
  /** How many directories have been taken, and how many are done. */
  readonly counters: Int32Array<SharedArrayBuffer>;
  /** By row: 1 for a directory whose entries are those of the table, each as it was. */
  readonly same: Uint8Array<SharedArrayBuffer>;
  readonly directories: number;
}

const taken = 0;
const done = 1;

/** Nothing compared yet. */
export function newComparison(table: TreeTable): Comparison {
  return {
    counters: new Int32Array(new SharedArrayBuffer(8)),
    same: new Uint8Array(new SharedArrayBuffer(table.count)),
    directories: directoryRows(table).length,
  };
}

/** Whether nobody is at work any more. Only for a caller that found nothing left to take. */
export function isComplete({ counters, directories }: Comparison): boolean {
  return Atomics.load(counters, done) === directories;
}

/**
 * Compares directories of the host with a table of them. Several threads may do so at once; each takes what no other has taken.
 * Returns a function that works until `until` (milliseconds of `performance.now`) and tells whether something is left.
 */
export function comparer(
  root: BytePath,
  table: TreeTable,
  filter: ScanFilter,
  { counters, same }: Comparison,
): (until?: number) => boolean {
  const directories = directoryRows(table);
  const ignored = ignoringAll(root, filter);
  return (until = Number.POSITIVE_INFINITY) => {
    while (performance.now() < until) {
      const row = directories[Atomics.add(counters, taken, 1)];
      if (row === undefined) return false;
      if (isSame(root, table, row, ignored)) same[row] = 1;
      Atomics.add(counters, done, 1);
    }
    return true;
  };
}

/** Whether a directory has the entries of the table and no other that the filter lets through. */
function isSame(
  root: BytePath,
  table: TreeTable,
  directory: number,
  ignored: (directory: BytePath, names: readonly BytePath[]) => boolean,
): boolean {
  const path = table.paths[directory]!;
  try {
    const names = namesIn(joinHost(root, path), false);
    const strangers: BytePath[] = [];
    let at = 0;
    for (const child of childRows(table, directory)) {
      const name = nameOf(table.paths[child]!);
      while (at < names.length && names[at]! < name) strangers.push(names[at++]!);
      if (names[at++] !== name) return false;
      if (!isAsItWas(table, child, lstatSync(fsPath(joinHost(root, table.paths[child]!))))) return false;
    }
    strangers.push(...names.slice(at));
    return strangers.length === 0 || ignored(path, strangers);
  } catch {
    return false; // the scan that follows says what is wrong
  }
}

function isAsItWas(table: TreeTable, row: number, stats: Stats): boolean {
  return (
    stats.ino === table.ino[row] &&
    stats.ctimeMs === table.ctime[row] &&
    stats.mtimeMs === table.mtime[row] &&
    stats.dev === table.dev[row] &&
    (!stats.isFile() || stats.size === table.size[row]) &&
    typeOf(stats) === rowType(table, row)
  );
}
