/**
 * The files of a layer store: `layers/<id>/` with `record.json`, `index`, `digests`, `fs`, and `layers/by-diff/<hex>`, which
 * names the layer of a diffID. Everything appears by rename. What has not been synced to disk yet carries the boot
 * id: after a power failure it is worth nothing, and is treated as missing.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type BytePath,
  type CompressionAlgorithm,
  type Digest,
  hexOf,
  namesIn,
  readIfPresent,
  replaceFile,
} from "../core/index.ts";
import type { LayerId, LayerRecord } from "../snapshot/index.ts";

/** A record as it lies on disk. */
export interface StoredRecord extends LayerRecord {
  readonly version: 1;
  /** Boot id of the machine while the layer is not known to be on disk. */
  readonly unsynced?: string;
  /** Directories that are symlinks in the layers below, with where those lead. */
  readonly moved?: readonly (readonly [BytePath, BytePath])[];
  readonly refuseDevices?: true;
}

export interface LayerFiles {
  directory(id: LayerId, ...names: string[]): string;
  read(id: LayerId): StoredRecord | undefined;
  /** Replaces the record of an existing layer. */
  write(record: StoredRecord): void;
  /** A fresh directory for a layer in the making. */
  prepare(id: LayerId): string;
  /** A path for something big in the making; what a killed process leaves there is swept. */
  temporary(): string;
  /** Makes a prepared layer visible. */
  publish(prepared: string, record: StoredRecord): void;
  list(): LayerId[];
  /** Which layer or compressed blob was made for a diffID. */
  memo(diffId: Digest, kind: MemoKind): string | undefined;
  remember(diffId: Digest, kind: MemoKind, value: string): void;
  /** What lies in a layer's directory. */
  names(id: LayerId): readonly string[];
  /** Files that say that a directory form has not been synced. */
  bootMarkers(id: LayerId): string[];
  /** Moves a file or directory out of the way; the sweep deletes it later. */
  discard(path: string): void;
}

/** `""`: the layer; `"over-<hex>"`: the layer when it stands on certain symlinks; `"gzip-9"`: made at that level. */
export type MemoKind = "" | CompressionAlgorithm | `${CompressionAlgorithm}-${number}` | `over-${string}`;

const idPattern = /^[0-9a-f]{32}$/;

let boot: string | undefined;

/** Changes at every start of the machine; empty where the kernel does not say. */
export function bootId(): string {
  if (boot === undefined)
    try {
      boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    } catch {
      boot = "";
    }
  return boot;
}

/** An id that no layer has. */
export function freshId(): LayerId {
  return randomBytes(16).toString("hex");
}

/** Opens the layer files of the store at `root`. Touches nothing. */
export function openLayerFiles(root: string): LayerFiles {
  const layers = join(root, "layers");
  const trash = join(root, "trash");
  const diffs = join(layers, "by-diff");
  const directory = (id: LayerId, ...names: string[]) => join(layers, id, ...names);
  const memoFile = (diffId: Digest, kind: MemoKind) =>
    join(diffs, kind === "" ? hexOf(diffId) : `${hexOf(diffId)}.${kind}`);

  const replace = (file: string, text: string) => replaceFile(file, text, { mode: 0o600 });

  return {
    directory,
    read(id) {
      const text = readIfPresent(directory(id, "record.json"));
      const record = text === undefined ? undefined : parseRecord(text);
      if (record === undefined || record.id !== id) return undefined;
      return record.unsynced === undefined || record.unsynced === bootId() ? record : undefined;
    },
    write: (record) => replace(directory(record.id, "record.json"), JSON.stringify(record)),
    prepare(id) {
      const prepared = join(layers, `tmp-${id}`);
      mkdirSync(prepared, { recursive: true, mode: 0o700 });
      return prepared;
    },
    temporary: () => join(layers, `tmp-${freshId()}`),
    publish(prepared, record) {
      writeFileSync(join(prepared, "record.json"), JSON.stringify(record), { mode: 0o600 });
      renameSync(prepared, directory(record.id));
    },
    list: () => namesIn(layers).filter((name) => idPattern.test(name)),
    memo: (diffId, kind) => readIfPresent(memoFile(diffId, kind)),
    remember(diffId, kind, value) {
      mkdirSync(diffs, { recursive: true, mode: 0o700 });
      replace(memoFile(diffId, kind), value);
    },
    names: (id) => namesIn(directory(id)),
    bootMarkers: (id) =>
      namesIn(directory(id))
        .filter((name) => name.endsWith(".boot"))
        .map((name) => directory(id, name)),
    discard(path) {
      mkdirSync(trash, { recursive: true, mode: 0o700 });
      try {
        renameSync(path, join(trash, randomBytes(16).toString("hex")));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT")
          rmSync(path, { recursive: true, force: true });
      }
    },
  };
}

function parseRecord(text: string): StoredRecord | undefined {
  try {
    const record = JSON.parse(text) as StoredRecord;
    return record.version === 1 ? record : undefined;
  } catch {
    return undefined; // cut short by a power failure
  }
}

/** The part of a record that comes from the index. */
export function described(summary: {
  entryCount: number;
  contentSize: number;
  dependsOnLower: boolean;
  opaqueRoot: boolean;
}): Pick<LayerRecord, "entryCount" | "contentSize" | "dependsOnLower" | "opaqueRoot"> {
  const { entryCount, contentSize, dependsOnLower, opaqueRoot } = summary;
  return {
    entryCount,
    contentSize,
    ...(dependsOnLower ? { dependsOnLower: true as const } : {}),
    ...(opaqueRoot ? { opaqueRoot: true as const } : {}),
  };
}
