import { realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { BuildError, type BytePath, bytePathOf, digestOf, hexOf, type IgnoreFile } from "../core/index.ts";
import { createRootfs, type LayerView, type Rootfs } from "../snapshot/index.ts";
import { type FileHashes, type FilesToHash, hashFiles } from "./local-hash.ts";
import type { SelectionDigest } from "./local-kept.ts";
import { type DigestMemo, openMemo } from "./local-memo.ts";
import { hashInWorkers } from "./local-pool.ts";
import { inlineEntries, type Scan, scanOrCompare } from "./local-rescan.ts";
import { rowType, type TreeTable } from "./local-table.ts";
import { includePatterns, type ScanTask } from "./local-tasks.ts";
import { viewOfTable } from "./local-view.ts";

/** sha256 of files, by row. */
export interface DigestColumn {
  /** 32 bytes for each row. */
  readonly bytes: Uint8Array;
  /** 1 where the bytes are a digest. */
  readonly known: Uint8Array;
}

export interface LocalSourceOptions {
  /** What messages call it: `context`, `dockerfile`, or the name of a build context. */
  readonly name: string;
  /** A directory of the host. */
  readonly directory: string;
  /** `local.includepattern`: only what matches one of them. */
  readonly includePatterns?: readonly string[];
  /** `local.excludepatterns`; as an ignore file, messages can say which line is to blame. */
  readonly exclude?: IgnoreFile | readonly string[];
  /** `local.followpaths`: only these paths, and where symlinks in them lead. */
  readonly followPaths?: readonly string[];
  /** `contexts/` of the store: digests of files are kept there between builds. */
  readonly memoDirectory?: string;
  readonly signal?: AbortSignal;
}

/** A directory of the host as it was when it was scanned. Files are read from the host, on demand. */
export interface LocalTree {
  /** What the build calls it: `context`, `dockerfile`, or the name of a build context. */
  readonly name: string;
  /** Absolute path, without symlinks, as bytes. */
  readonly root: BytePath;
  readonly entryCount: number;
  /** Bytes of all files. */
  readonly size: number;
  readonly table: TreeTable;
  /** The tree as one layer. Owners are 0:0, times whole seconds; there are no xattrs. */
  readonly view: LayerView;
  readonly rootfs: Rootfs;
  readonly digests: DigestColumn;
  /** What was left out. */
  readonly exclude: IgnoreFile | readonly string[];
  /**
   * Makes the digests of these rows known: from the memo of earlier builds, else by reading the files. Rows that are no
   * files, or empty, are ignored. Throws when a file cannot be read, naming it.
   */
  hash(rows: Iterable<number>, signal?: AbortSignal): Promise<void>;
  /** Whether no earlier build left digests of this directory. */
  isUnknown(): boolean;
  /** The digest of a selection that an earlier build kept, and which is still the same. */
  selection(name: string): SelectionDigest | undefined;
  /** Keeps the digest of a selection of this tree for later builds; everything in it has been hashed. */
  keepSelection(name: string, digest: SelectionDigest): void;
  /**
   * Takes digests of rows from a caller that read the files itself since `begin` (milliseconds), and found them as they
   * were scanned.
   */
  learn(files: { readonly rows: readonly number[]; readonly digests: Uint8Array }, begin: number): void;
}

/** Bytes that are hashed right here. */
const inlineBytes = 16 << 20;

/**
 * Scans a directory of the host as BuildKit's client sends it: filtered by patterns, owners reset to 0:0, modes and times
 * kept, hard links kept, no extended attributes (chown strips capabilities on BuildKit's side). No file is opened.
 * Throws when the directory is missing or part of it cannot be read.
 */
export async function localSource(options: LocalSourceOptions): Promise<LocalTree> {
  const root = realDirectory(options);
  const follow = (options.followPaths ?? []).map(bytePathOf);
  const task: ScanTask = {
    root,
    include: includePatterns(root, options.includePatterns ?? [], follow),
    exclude: options.exclude ?? [],
  };
  return treeOf(options, root, await scanOrCompare(task, options.memoDirectory, options.signal));
}

function realDirectory(options: LocalSourceOptions): BytePath {
  const fail = (reason: string, cause?: unknown) =>
    new BuildError("not-found", `${options.name}: ${options.directory}: ${reason}`, { cause });
  try {
    const root = realpathSync(options.directory, { encoding: "buffer" });
    if (statSync(root).isDirectory()) return root.toString("latin1");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw fail(code === "ENOENT" ? "no such directory" : `cannot be opened (${code})`, error);
  }
  throw fail("not a directory");
}

function treeOf(options: LocalSourceOptions, root: BytePath, scan: Scan): LocalTree {
  const { table } = scan;
  const digests = digestColumn(root, table, options.memoDirectory);
  const view = viewOfTable(`local:${options.name}`, root, table, digests.now);
  return {
    name: options.name,
    root,
    entryCount: table.count,
    size: table.size.reduce((sum, size) => sum + size, 0),
    table,
    view,
    rootfs: createRootfs([view]),
    digests: digests.column,
    exclude: options.exclude ?? [],
    hash: digests.hash,
    isUnknown: () => !scan.isKnown && digests.isEmpty(),
    learn: digests.learn,
    selection: scan.selection,
    keepSelection: scan.keepSelection,
  };
}

/** Digests of a table's files, filled as they are asked for. */
function digestColumn(root: BytePath, table: TreeTable, memoDirectory: string | undefined) {
  const column = { bytes: new Uint8Array(32 * table.count), known: new Uint8Array(table.count) };
  let memo: DigestMemo | undefined;
  const openOnce = (): DigestMemo | undefined => {
    if (memoDirectory === undefined) return undefined;
    memo ??= openMemo(join(memoDirectory, hexOf(digestOf(Buffer.from(root, "latin1")))));
    return memo;
  };
  const set = (row: number, digest: Uint8Array): void => {
    column.bytes.set(digest, 32 * row);
    column.known[row] = 1;
  };

  const fromMemo = (row: number): boolean => {
    const digest = openOnce()?.get(identityAt(table, row));
    if (digest === undefined) return false;
    set(row, digest);
    return true;
  };

  const accept = (rows: readonly number[], { digests, stats }: FileHashes, read: number): void => {
    rows.forEach((row, i) => {
      table.size[row] = stats[3 * i]!;
      table.mtime[row] = stats[3 * i + 1]!;
      table.ctime[row] = stats[3 * i + 2]!;
      const digest = digests.subarray(32 * i, 32 * i + 32);
      set(row, digest);
      openOnce()?.add(identityAt(table, row), digest, read);
    });
  };

  return {
    column,
    /** Synchronously, for a single file. */
    now(row: number): Uint8Array {
      if (column.known[row] === 0 && !fromMemo(row)) {
        const read = Date.now();
        accept([row], hashFiles({ root, paths: [table.paths[row]!] }), read);
        memo?.save();
      }
      return digestAt(column, row)!;
    },
    isEmpty: () => openOnce()?.isEmpty ?? true,
    learn({ rows, digests }: Parameters<LocalTree["learn"]>[0], begin: number): void {
      rows.forEach((row, i) => {
        const digest = digests.subarray(32 * i, 32 * i + 32);
        set(row, digest);
        openOnce()?.add(identityAt(table, row), digest, begin);
      });
      memo?.save();
    },
    async hash(rows: Iterable<number>, signal?: AbortSignal): Promise<void> {
      const missing: number[] = [];
      let bytes = 0;
      for (const row of rows) {
        if (rowType(table, row) !== "file" || table.size[row] === 0) continue;
        if (column.known[row] === 1 || fromMemo(row)) continue;
        missing.push(row);
        bytes += table.size[row]!;
      }
      if (missing.length === 0) return;
      const read = Date.now();
      const files: FilesToHash = { root, paths: missing.map((row) => table.paths[row]!) };
      const small = missing.length <= inlineEntries && bytes <= inlineBytes;
      const sizes = () => missing.map((row) => table.size[row]!);
      accept(missing, small ? hashFiles(files) : await hashInWorkers(files, sizes(), signal), read);
      memo?.save();
    },
  };
}

/** sha256 (32 bytes) of the file in this row, when it is known. */
export function digestAt(column: DigestColumn, row: number): Uint8Array | undefined {
  return column.known[row] === 1 ? column.bytes.subarray(32 * row, 32 * row + 32) : undefined;
}

function identityAt(table: TreeTable, row: number) {
  return {
    dev: table.dev[row]!,
    ino: table.ino[row]!,
    size: table.size[row]!,
    mtime: table.mtime[row]!,
    ctime: table.ctime[row]!,
  };
}
