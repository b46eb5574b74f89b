import { mkdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Digest, fromHex, hexOf, isDigest, namesIn, readIfPresent, replaceFile } from "../core/index.ts";
import { lock } from "../names/index.ts";
import type { CacheRecord, KeyStore } from "../solver/index.ts";

/** A record as garbage collection and fsck see it. */
export interface StoredRecord {
  readonly key: Digest;
  readonly record: CacheRecord;
  /** Milliseconds since the epoch, to the day. */
  readonly lastUsed: number;
}

/** The key store on disk, with what its upkeep needs. */
export interface FileKeyStore extends KeyStore {
  /** Every record that can be read. */
  list(): Iterable<StoredRecord>;
  /** Files that should be records or aliases and are not. */
  damaged(): Iterable<string>;
  /** Removes a record; an alias that leads to it stays, and is a miss. */
  remove(key: Digest): void;
  /** Removes the aliases that lead to no record. */
  sweepAliases(): void;
}

const day = 24 * 60 * 60 * 1000;

/**
 * Opens the key store of the store at `root`: one small file a key, written whole under another name and renamed. Files
 * and not a database, because opening a database costs more than all look-ups of a no-op rebuild.
 */
export function openKeyStore(root: string): FileKeyStore {
  const fileOf = (kind: "records" | "aliases", key: Digest) => {
    const hex = hexOf(key);
    return join(root, "cache", kind, hex.slice(0, 2), hex);
  };
  return {
    async get(key) {
      const file = fileOf("records", key);
      const record = parseRecord(readIfPresent(file));
      if (record !== undefined) touch(file);
      return record;
    },
    async put(key, record) {
      writeAtomically(fileOf("records", key), JSON.stringify(record));
    },
    async getAlias(key) {
      const target = readIfPresent(fileOf("aliases", key));
      return isDigest(target) ? target : undefined;
    },
    async putAlias(key, target) {
      writeAtomically(fileOf("aliases", key), target);
    },
    async exclusively(key, signal, work) {
      const held = await lock(join(root, "locks", hexOf(key)), "exclusive", signal);
      try {
        return await work();
      } finally {
        held.release();
      }
    },
    *list() {
      for (const { key, file } of filesOf(root, "records")) {
        const record = parseRecord(readIfPresent(file));
        const lastUsed = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
        if (record !== undefined && lastUsed !== undefined) yield { key, record, lastUsed };
      }
    },
    *damaged() {
      for (const { file } of filesOf(root, "records"))
        if (parseRecord(readIfPresent(file)) === undefined) yield file;
      for (const { file } of filesOf(root, "aliases")) if (!isDigest(readIfPresent(file))) yield file;
    },
    remove(key) {
      rmSync(fileOf("records", key), { force: true });
    },
    sweepAliases() {
      for (const { file } of filesOf(root, "aliases")) {
        const target = readIfPresent(file);
        const record = isDigest(target) ? fileOf("records", target) : undefined;
        if (record === undefined || statSync(record, { throwIfNoEntry: false }) === undefined)
          rmSync(file, { force: true });
      }
    },
  };
}

function parseRecord(text: string | undefined): CacheRecord | undefined {
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as CacheRecord;
    return Array.isArray(record.results) && typeof record.created === "number" ? record : undefined;
  } catch {
    return undefined; // cut off by a crash of the machine: as good as missing
  }
}

function writeAtomically(file: string, text: string): void {
  try {
    replaceFile(file, text, { mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    replaceFile(file, text, { mode: 0o600 });
  }
}

/** Remembers the use of a record for garbage collection, at most once a day. */
function touch(file: string): void {
  try {
    const now = Date.now();
    if (now - statSync(file).mtimeMs > day) utimesSync(file, now / 1000, now / 1000);
  } catch {
    // A store that cannot be written to still serves.
  }
}

function* filesOf(root: string, kind: string): Iterable<{ key: Digest; file: string }> {
  for (const shard of namesIn(join(root, "cache", kind)))
    for (const name of namesIn(join(root, "cache", kind, shard)))
      if (/^[0-9a-f]{64}$/.test(name))
        yield { key: fromHex(name), file: join(root, "cache", kind, shard, name) };
}
