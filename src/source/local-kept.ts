import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { deserialize, serialize } from "node:v8";
import { crc32 } from "node:zlib";
import { type Digest, replaceFile } from "../core/index.ts";
import type { TreeTable } from "./local-table.ts";

/** Digest of what was copied from a directory, and what of it a cache record names. */
export interface SelectionDigest {
  readonly digest: Digest;
  /** For the record: single files where there are few, else the selection as a whole. */
  readonly ingredients: readonly { readonly name: string; readonly value: string }[];
}

/** A directory as an earlier build scanned it, with the digests of what was copied from it. */
export interface KeptScan {
  readonly table: TreeTable;
  /** By what was copied. */
  readonly selections: ReadonlyMap<string, SelectionDigest>;
}

const version = 1;

/** What stands in the file, crc32 of it behind. Paths are one string: many small ones take long to read. */
interface Stored extends Omit<TreeTable, "paths"> {
  readonly version: number;
  readonly paths: string;
  readonly selections: ReadonlyMap<string, SelectionDigest>;
}

const v8 = () =>
  process.getBuiltinModule("node:v8") as { serialize: typeof serialize; deserialize: typeof deserialize };

/** The bytes of a kept scan, for `decodeScan`, in memory that threads share. `undefined` when there is none. */
export function readScan(file: string): Uint8Array<SharedArrayBuffer> | undefined {
  try {
    const bytes = readFileSync(file);
    const body = bytes.subarray(0, -4);
    if (bytes.length < 4 || crc32(body) !== bytes.readUInt32LE(body.length)) return undefined;
    const shared = new Uint8Array(new SharedArrayBuffer(body.length));
    shared.set(body);
    return shared;
  } catch {
    return undefined;
  }
}

/** `undefined` for what another version wrote. */
export function decodeScan(bytes: Uint8Array): KeptScan | undefined {
  try {
    const { version: written, paths, selections, ...columns } = v8().deserialize(bytes) as Stored;
    if (written !== version) return undefined;
    return { table: { ...columns, paths: paths.split("\0") }, selections };
  } catch {
    return undefined;
  }
}

/** Keeps a scan for the next build. A failure to write only costs that build time. */
export function writeScan(file: string, { table, selections }: KeptScan): void {
  const stored: Stored = { ...table, version, paths: table.paths.join("\0"), selections };
  const body = v8().serialize(stored);
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32(body));
  try {
    mkdirSync(dirname(file), { recursive: true });
    replaceFile(file, Buffer.concat([body, sum]));
  } catch {
    // It is scanned again.
  }
}
