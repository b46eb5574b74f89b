import { join } from "node:path";
import { bytePathOf, digestOf, hexOf } from "../core/index.ts";
import { decodeScan, readScan, type SelectionDigest, writeScan } from "./local-kept.ts";
import { settled } from "./local-memo.ts";
import { compareInThreads, scanInWorker } from "./local-pool.ts";
import { childRows, directoryRows, type TreeTable } from "./local-table.ts";
import { runScan, type ScanTask } from "./local-tasks.ts";

/** Trees up to this size are scanned right here; starting a worker costs more, and so does keeping what was seen. */
export const inlineEntries = 2000;

/** Selections of one scan that are kept. */
const mostSelections = 32;

/** A scanned directory, with the digests of what earlier builds copied from it while it was the same. */
export interface Scan {
  readonly table: TreeTable;
  /** Whether an earlier build found the directory exactly so. */
  readonly isKnown: boolean;
  selection(name: string): SelectionDigest | undefined;
  /** Keeps the digest of what was copied. Every file of it was read after the scan, or had been when it was kept. */
  keepSelection(name: string, digest: SelectionDigest): void;
}

/**
 * Scans a directory. One that an earlier build kept is compared with what that build saw: then what has not changed need
 * not be sorted, filtered and hashed again.
 */
export async function scanOrCompare(
  task: ScanTask,
  memoDirectory: string | undefined,
  signal?: AbortSignal,
): Promise<Scan> {
  const begin = Date.now();
  const file = memoDirectory === undefined ? undefined : join(memoDirectory, nameOfScan(task));
  const bytes = file === undefined ? undefined : readScan(file);
  const kept = bytes && decodeScan(bytes);
  if (bytes === undefined || kept === undefined) {
    const table = runScan({ ...task, limit: inlineEntries }) ?? (await scanInWorker(task, signal));
    return scanOf(table, new Map(), false, file, begin);
  }
  const { table } = kept;
  const same = await compareInThreads({ task, kept: bytes, table }, signal);
  const changed = entriesOfOthers(table, same);
  if (changed === 0) return scanOf(table, new Map(kept.selections), true, file, begin);
  const rescanned =
    changed <= inlineEntries
      ? runScan({ ...task, known: { table, same } })!
      : await scanInWorker(task, signal);
  return scanOf(rescanned, new Map(), false, file, begin);
}

/** Of the same directory through the same filter. */
function nameOfScan({ root, include, exclude }: ScanTask): string {
  const text = JSON.stringify([root, include ?? null, "patterns" in exclude ? exclude.patterns : exclude]);
  return `${hexOf(digestOf(Buffer.from(bytePathOf(text), "latin1")))}.scan`;
}

/** How many entries have to be looked at for the directories that are not the same; 0 when there are none. */
function entriesOfOthers(table: TreeTable, same: Uint8Array): number {
  let count = 0;
  for (const row of directoryRows(table)) if (same[row] === 0) count += 1 + [...childRows(table, row)].length;
  return count;
}

function scanOf(
  table: TreeTable,
  selections: Map<string, SelectionDigest>,
  isKnown: boolean,
  file: string | undefined,
  begin: number,
): Scan {
  return {
    table,
    isKnown,
    selection: (name) => selections.get(name),
    keepSelection(name, digest) {
      if (file === undefined || table.count <= inlineEntries || !isSettled(table, begin)) return;
      if (selections.size === mostSelections) selections.clear();
      selections.set(name, digest);
      writeScan(file, { table, selections });
    },
  };
}

/** Whether no file could have changed since without its times showing it. */
function isSettled(table: TreeTable, begin: number): boolean {
  for (let row = 0; row < table.count; row++)
    if (Math.max(table.mtime[row]!, table.ctime[row]!) > begin - settled) return false;
  return true;
}
