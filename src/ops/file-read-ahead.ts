import { hash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { fsPath } from "../core/index.ts";
import { digestAt, joinHost, rowType } from "../source/index.ts";
import type { LocalData } from "./file-inputs.ts";

/**
 * Files of a scanned directory that one thread reads and hashes while another packs them; plain data, shared by both.
 * The small files, in the order of the scan, are cut into batches. A batch is read by whoever claims it first, so
 * the packer never waits for a reader that has not started, or never will.
 */
export interface ReadAhead {
  readonly source: Pick<LocalData, "root" | "table">;
  /** First row of each batch, and the row after the last. */
  readonly starts: Int32Array;
  /** By row: where a file lies in the memory of its batch; -1 where it is in no batch. */
  readonly offsets: Int32Array;
  /** Memory for `slots` batches. */
  readonly memory: SharedArrayBuffer;
  /** 32 bytes for each row. */
  readonly digests: SharedArrayBuffer;
  /** By row: 1 when the reader has it, as it was scanned. */
  readonly done: SharedArrayBuffer;
  /** Int32: the batch that is being packed, then the state of each batch. */
  readonly states: SharedArrayBuffer;
}

/** What the reader has of a file. Belongs to the reader again when the packer asks for one of a later batch. */
export interface ReadFile {
  readonly bytes: Uint8Array;
  readonly sha256: Uint8Array;
}

const slots = 8;
const batchBytes = 1 << 19;
/** Larger files gain nothing: they are read in large pieces anyway. */
const smallFile = batchBytes >> 2;

const [unclaimed, packing, reading, ready] = [0, 1, 2, 3];
const finished = 2 ** 30;
/** So long, in milliseconds, each side waits for the other, which may be gone. */
const patience = 10_000;

/** Plans reading the files below `start` whose digest is not known. */
export function planReadAhead({ root, table, digests }: LocalData): ReadAhead {
  const offsets = new Int32Array(table.count).fill(-1);
  const starts: number[] = [];
  let used = batchBytes;
  for (let row = 0; row < table.count; row++) {
    const size = table.size[row]!;
    if (rowType(table, row) !== "file" || size === 0 || size > smallFile || table.twin[row]! >= 0) continue;
    if (digestAt(digests, row) !== undefined) continue;
    if (used + size > batchBytes) {
      starts.push(row);
      used = 0;
    }
    offsets[row] = used;
    used += size;
  }
  return {
    source: { root, table },
    starts: Int32Array.from([...starts, table.count]),
    offsets,
    memory: new SharedArrayBuffer(slots * batchBytes),
    digests: new SharedArrayBuffer(32 * table.count),
    done: new SharedArrayBuffer(table.count),
    states: new SharedArrayBuffer(4 * (1 + starts.length)),
  };
}

/** The reader: works off the batches that nobody claimed, never more than the slots ahead of the packer. */
export function readAhead(plan: ReadAhead): void {
  const states = new Int32Array(plan.states);
  for (let batch = 0; batch < plan.starts.length - 1; batch++) {
    let packed = Atomics.load(states, 0);
    for (; batch >= packed + slots; packed = Atomics.load(states, 0))
      if (Atomics.wait(states, 0, packed, patience) === "timed-out") return;
    if (packed === finished) return;
    if (batch < packed) continue;
    if (Atomics.compareExchange(states, 1 + batch, unclaimed, reading) !== unclaimed) continue;
    for (let row = plan.starts[batch]!; row < plan.starts[batch + 1]!; row++)
      if (plan.offsets[row]! >= 0) readRow(plan, row, batch);
    Atomics.store(states, 1 + batch, ready);
    Atomics.notify(states, 1 + batch);
  }
}

function readRow({ source, ...plan }: ReadAhead, row: number, batch: number): void {
  const { root, table } = source;
  const bytes = contentAt(plan, row, batch, table.size[row]!);
  try {
    const fd = openSync(fsPath(joinHost(root, table.paths[row]!)), "r");
    try {
      if (readSync(fd, bytes, 0, bytes.length, 0) !== bytes.length) return;
      const { size, mtimeMs, ctimeMs } = fstatSync(fd);
      if (size !== bytes.length || mtimeMs !== table.mtime[row] || ctimeMs !== table.ctime[row]) return;
    } finally {
      closeSync(fd);
    }
  } catch {
    return; // the packer meets the same failure, and says what it means
  }
  new Uint8Array(plan.digests, 32 * row, 32).set(hash("sha256", bytes, "buffer"));
  new Uint8Array(plan.done)[row] = 1;
}

function contentAt(
  { memory, offsets }: Pick<ReadAhead, "memory" | "offsets">,
  row: number,
  batch: number,
  size: number,
): Uint8Array {
  return new Uint8Array(memory, (batch % slots) * batchBytes + offsets[row]!, size);
}

/** The packer's side. */
export interface AheadFiles {
  /** A file's content; `undefined` when the packer has to read it itself. */
  take(row: number): ReadFile | undefined;
  /** Lets the reader end. */
  close(): void;
}

export function openReadAhead(plan: ReadAhead): AheadFiles {
  const states = new Int32Array(plan.states);
  const done = new Uint8Array(plan.done);
  let current = -1;
  let readable = false;
  const moveTo = (position: number): void => {
    Atomics.store(states, 0, position);
    Atomics.notify(states, 0);
  };
  return {
    take(row) {
      if (plan.offsets[row]! < 0) return undefined;
      const batch = batchOf(plan.starts, row, Math.max(current, 0));
      if (batch < current) return undefined;
      if (batch > current) {
        current = batch;
        moveTo(batch);
        readable = claimOrAwait(states, 1 + batch);
      }
      if (!readable || done[row] !== 1) return undefined;
      const bytes = contentAt(plan, row, batch, plan.source.table.size[row]!);
      return { bytes, sha256: new Uint8Array(plan.digests, 32 * row, 32) };
    },
    close: () => moveTo(finished),
  };
}

/** Whether the reader has the batch; claims it for the packer when nobody did. */
function claimOrAwait(states: Int32Array<SharedArrayBuffer>, batch: number): boolean {
  if (Atomics.compareExchange(states, batch, unclaimed, packing) === unclaimed) return false;
  Atomics.wait(states, batch, reading, patience);
  return Atomics.load(states, batch) === ready;
}

/** Batch of a row: mostly the one that is being packed or the one after it. */
function batchOf(starts: Int32Array, row: number, near: number): number {
  let batch = near;
  while (batch > 0 && row < starts[batch]!) batch--;
  while (row >= starts[batch + 1]!) batch++;
  return batch;
}
