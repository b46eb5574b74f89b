import type { StoredRecord } from "../cache/index.ts";
import { type Digest, fromHex } from "../core/index.ts";
import type { LeaseItem } from "../names/index.ts";
import type { LayerId, LayerRecord } from "../snapshot/index.ts";
import type { Store } from "./open.ts";
import { contentsOf, mentionedIn } from "./references.ts";

/** What is reachable from names, leases and the cache records that stay. Grows by its `add…` functions. */
export interface Kept {
  readonly layers: ReadonlySet<LayerId>;
  readonly blobs: ReadonlySet<Digest>;
  /** Keys of cache records. */
  readonly records: ReadonlySet<Digest>;
  addImage(target: Digest): void;
  addLease(item: LeaseItem): void;
  addRecord(stored: StoredRecord): void;
  /** A kept layer keeps its tar: to be called when all else has been added. */
  addTars(): void;
  /** Whether all layers that a record needs are kept anyway. */
  suffices(stored: StoredRecord): boolean;
}

/** Larger blobs under a lease are layers; what is smaller may be a manifest, and then keeps what it lists. */
const manifestLimit = 1 << 20;

/** Starts with nothing; `all` are the layers of the store. */
export function createKept(store: Store, all: ReadonlyMap<LayerId, LayerRecord>): Kept {
  const layers = new Set<LayerId>();
  const blobs = new Set<Digest>();
  const records = new Set<Digest>();
  const byDiffId = Map.groupBy(all.values(), ({ diffId }) => diffId);

  function addImage(target: Digest): void {
    blobs.add(target);
    const contents = contentsOf(store.content, { mediaType: "", digest: target, size: 0 });
    for (const blob of contents.blobs) blobs.add(blob);
    for (const diffId of contents.diffIds) for (const { id } of byDiffId.get(diffId) ?? []) layers.add(id);
  }

  function isJson(digest: Digest): boolean {
    try {
      return store.content.read(digest, manifestLimit)[0] === 0x7b;
    } catch {
      return false;
    }
  }

  return {
    layers,
    blobs,
    records,
    addImage,
    addLease(item) {
      const name = item.slice(item.indexOf(":") + 1);
      if (item.startsWith("layer:")) layers.add(name);
      else if (item.startsWith("cache:")) records.add(fromHex(name));
      else if (isJson(fromHex(name))) addImage(fromHex(name));
      else blobs.add(fromHex(name));
    },
    addRecord({ key, record }) {
      records.add(key);
      const mentioned = mentionedIn(record.results);
      for (const id of mentioned.layers) layers.add(id);
      for (const blob of mentioned.blobs) blobs.add(blob);
    },
    addTars() {
      for (const id of layers) {
        const diffId = all.get(id)?.diffId;
        if (diffId !== undefined) blobs.add(diffId);
      }
    },
    suffices: ({ record }) => [...mentionedIn(record.results).layers].every((id) => layers.has(id)),
  };
}
