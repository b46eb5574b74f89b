import { randomBytes } from "node:crypto";
import { mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import type { StoredRecord } from "../cache/index.ts";
import { type Digest, hexOf, namesIn } from "../core/index.ts";
import { type ImageRecord, type Leased, lock, withLeases } from "../names/index.ts";
import type { LayerId } from "../snapshot/index.ts";
import { pruneCacheMounts } from "./cache-mounts.ts";
import { neededByContainers } from "./containers.ts";
import { pruneFetched } from "./fetched.ts";
import { createKept, type Kept } from "./kept.ts";
import { leftovers } from "./leftovers.ts";
import type { Store } from "./open.ts";
import { mentionedIn } from "./references.ts";
import { sweepOld, sweepTrash } from "./trash.ts";

export interface PruneOptions {
  /**
   * Which cache records go: `none`; `unused`, those whose layers no image and no running build needs; `all` but what
   * running builds use, and with them what `RUN --mount=type=cache` kept, and clones of git
   * repositories.
   */
  readonly cache: "none" | "unused" | "all";
  /** Whether images without a name go. */
  readonly untagged: boolean;
  /** Spares records and untagged images that were used after this time, in milliseconds since the epoch. */
  readonly until?: number;
  /** Only tells what would go. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface PruneResult {
  readonly images: readonly ImageRecord[];
  readonly records: readonly Digest[];
  readonly layers: readonly LayerId[];
  readonly blobs: readonly Digest[];
  /** Bytes on disk that this frees. */
  readonly bytes: number;
}

/**
 * Removes what nobody needs. Safe beside running builds: what they lease stays, and so does everything that came into the
 * store since the oldest of them began. Things are renamed into `trash/` first; what was named in the meantime comes
 * back; the rest is deleted after the lock is free again.
 */
export async function prune(store: Store, options: PruneOptions): Promise<PruneResult> {
  const alone = await lock(join(store.root, "locks", "prune"), "exclusive", options.signal);
  try {
    const batch = join(store.root, "trash", randomBytes(8).toString("hex"));
    const untagged = options.untagged ? untaggedImages(store, options.until) : [];
    if (!options.dryRun) for (const record of untagged) await store.names.remove(record);
    let since = Number.POSITIVE_INFINITY;
    const verdict = await withLeases(store.root, options.signal, (leased) => {
      const begun = Date.now();
      since = leased.since;
      const decided = decide(store, leased, untagged, options);
      if (!options.dryRun) carryOut(store, decided, batch, begun);
      return decided;
    });
    const beside =
      options.cache === "all"
        ? pruneCacheMounts(store.root, batch, options) + pruneFetched(store.root, batch, options)
        : 0;
    const result = { ...verdict, bytes: verdict.bytes + beside };
    if (options.dryRun) return result;
    // Batches of a prune that was killed are looked through too.
    for (const left of namesIn(join(store.root, "trash")))
      restoreNamed(store, join(store.root, "trash", left));
    if (verdict.records.length > 0) store.cache.sweepAliases();
    for (const leftover of leftovers(store.root, since)) await leftover.remove();
    sweepOld(store.root);
    await sweepTrash(store.root);
    return result;
  } finally {
    alone.release();
  }
}

/** Those that containers are made of stay. */
function untaggedImages(store: Store, until = Number.POSITIVE_INFINITY): readonly ImageRecord[] {
  const used = new Set(neededByContainers(store.root).map(({ image }) => image));
  return store.names
    .list()
    .filter(({ name, created, id }) => name === undefined && created < until && !used.has(id));
}

function decide(
  store: Store,
  leased: Leased,
  untagged: readonly ImageRecord[],
  options: PruneOptions,
): PruneResult {
  const going = new Set(untagged.map(({ target }) => target.digest));
  const records = store.names.list().filter((one) => one.name !== undefined || !going.has(one.target.digest));
  const layers = new Map([...store.layers.list()].map((record) => [record.id, record]));
  const kept = createKept(store, layers);
  for (const { target } of records) kept.addImage(target.digest);
  for (const item of leased.items) kept.addLease(item);
  // After the leases: a container that is being made is under one of the two.
  for (const { layers: needed, blobs } of neededByContainers(store.root)) {
    for (const id of needed) kept.addLease(`layer:${id}`);
    for (const digest of blobs) kept.addLease(`blob:${hexOf(digest)}`);
  }
  const condemned = condemnedRecords(store, kept, options);
  kept.addTars();
  const looseLayers = layerNames(store).filter(
    (id) => !kept.layers.has(id) && modified(join(store.root, "layers", id)) < leased.since,
  );
  const looseBlobs = [...store.content.list()].filter(
    (digest) => !kept.blobs.has(digest) && modified(store.content.path(digest)) < leased.since,
  );
  return {
    images: untagged,
    records: condemned,
    layers: looseLayers,
    blobs: looseBlobs,
    bytes:
      looseLayers.reduce((sum, id) => sum + layerBytes(store, id), 0) +
      looseBlobs.reduce((sum, digest) => sum + (store.content.stat(digest)?.size ?? 0), 0),
  };
}

/** All that lie under `layers/`, those without a usable record too: a power failure leaves such. */
function layerNames(store: Store): readonly LayerId[] {
  return namesIn(join(store.root, "layers")).filter((name) => /^[0-9a-f]{32}$/.test(name));
}

/** Bytes of a layer beside its tar, which is counted as a blob. */
function layerBytes(store: Store, id: LayerId): number {
  const { directory = 0, index = 0 } = store.layers.usage(id);
  return directory + index;
}

function condemnedRecords(store: Store, kept: Kept, options: PruneOptions): readonly Digest[] {
  const all = [...store.cache.list()];
  const spared = (stored: StoredRecord): boolean => {
    if (options.cache === "none" || kept.records.has(stored.key)) return true;
    if (options.until !== undefined && stored.lastUsed >= options.until) return true;
    return options.cache === "unused" && kept.suffices(stored);
  };
  // Decided before any is kept: a record must not be spared for the sake of another that is.
  const stay = all.filter(spared);
  for (const stored of stay) kept.addRecord(stored);
  const staying = new Set(stay.map(({ key }) => key));
  return all.filter(({ key }) => !staying.has(key)).map(({ key }) => key);
}

/** Records first: when this process dies in between, nothing refers to what is missing. */
function carryOut(store: Store, verdict: PruneResult, batch: string, begun: number): void {
  for (const key of verdict.records) store.cache.remove(key);
  if (verdict.layers.length + verdict.blobs.length === 0) return;
  mkdirSync(batch, { recursive: true, mode: 0o700 });
  for (const id of verdict.layers) {
    const directory = join(store.root, "layers", id);
    if (moveAway(directory, join(batch, `layer-${id}`), begun)) store.layers.remove(id);
  }
  for (const digest of verdict.blobs) moveAway(store.content.path(digest), join(batch, hexOf(digest)), begun);
}

/** Whether it is gone: what somebody found in place since `begun`, and counts on, comes back. */
function moveAway(path: string, moved: string, begun: number): boolean {
  try {
    renameSync(path, moved);
    if (modified(moved) < begun) return true;
    renameSync(moved, path);
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return true;
  }
}

/** Brings back what an image needs that was named while we decided: naming does not wait for us. */
function restoreNamed(store: Store, batch: string): void {
  const moved = new Set(namesIn(batch));
  if (moved.size === 0) return;
  for (let restored = true; restored; ) {
    restored = false;
    for (const { target, manifest, id } of store.names.list())
      for (const digest of wantedBy(store, [target.digest, manifest.digest, id]))
        if (moved.delete(hexOf(digest))) {
          renameSync(join(batch, hexOf(digest)), store.content.path(digest));
          restored = true;
        }
  }
}

function wantedBy(store: Store, heads: readonly Digest[]): ReadonlySet<Digest> {
  const wanted = new Set<Digest>(heads);
  for (const head of heads) {
    let json: unknown;
    try {
      json = JSON.parse(store.content.read(head).toString());
    } catch {
      continue; // still in the trash: the next round sees it
    }
    for (const digest of mentionedIn(json).blobs) wanted.add(digest);
  }
  return wanted;
}

function modified(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
}
