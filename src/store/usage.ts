import { join } from "node:path";
import { type Digest, defined, namesIn } from "../core/index.ts";
import { withLeases } from "../names/index.ts";
import type { LayerId } from "../snapshot/index.ts";
import type { Store } from "./open.ts";
import { prune } from "./prune.ts";
import { contentsOf, mentionedIn } from "./references.ts";
import { treeSize } from "./tree-size.ts";

/** One layer with every form that it has on disk. Sizes in bytes. */
export interface LayerUsageRow {
  readonly id: LayerId;
  readonly diffId?: Digest;
  readonly created: number;
  readonly tar: number;
  readonly directory: number;
  readonly index: number;
  /** Names (or, without one, ids) of the images that have it. */
  readonly images: readonly string[];
  /** Names of the steps that yield it. */
  readonly steps: readonly string[];
  /** A running build needs it. */
  readonly inUse: boolean;
}

/** What the store takes on disk, in bytes. */
export interface DiskUsage {
  readonly layers: readonly LayerUsageRow[];
  /** By kind: each file under the root counts in exactly one of them. */
  readonly kinds: {
    readonly tars: number;
    readonly directories: number;
    readonly indexes: number;
    /** Manifests, configurations and compressed layers. */
    readonly otherBlobs: number;
    readonly cache: number;
    readonly cacheMounts: number;
    readonly logs: number;
    readonly trash: number;
    /** Names, and what running builds need and killed processes left. */
    readonly other: number;
  };
  readonly total: number;
  /** What `prune` with its defaults would free. */
  readonly reclaimable: number;
}

/** What of the root is counted by kind; what else is there is `other`. */
const counted = new Set(["blobs", "layers", "cache", "cachemounts", "contexts", "remote", "logs", "trash"]);

/** Counts what is on disk. Changes nothing. */
export async function diskUsage(store: Store): Promise<DiskUsage> {
  const leased = await withLeases(store.root, undefined, ({ items }) => items);
  const layers = layerRows(store, leased);
  const blobs = [...store.content.list()].map((digest) => ({
    digest,
    size: store.content.stat(digest)?.size ?? 0,
  }));
  const tarDigests = new Set(layers.flatMap(({ diffId }) => diffId ?? []));
  const tars = sum(blobs.filter(({ digest }) => tarDigests.has(digest)).map(({ size }) => size));
  const kinds = {
    tars,
    directories: sum(layers.map(({ directory }) => directory)),
    indexes: sum(layers.map(({ index }) => index)),
    otherBlobs: sum(blobs.map(({ size }) => size)) - tars,
    cache:
      treeSize(join(store.root, "cache")) +
      treeSize(join(store.root, "contexts")) +
      treeSize(join(store.root, "remote")),
    cacheMounts: treeSize(join(store.root, "cachemounts")),
    logs: treeSize(join(store.root, "logs")),
    trash: treeSize(join(store.root, "trash")),
    other: sum(
      namesIn(store.root)
        .filter((name) => !counted.has(name))
        .map((name) => treeSize(join(store.root, name))),
    ),
  };
  const { bytes } = await prune(store, { cache: "unused", untagged: true, dryRun: true });
  return {
    layers,
    kinds,
    total: sum(Object.values(kinds)),
    reclaimable: bytes + kinds.trash,
  };
}

function layerRows(store: Store, leased: ReadonlySet<string>): readonly LayerUsageRow[] {
  const images = new Map<Digest, Set<string>>();
  for (const { name, id, target } of store.names.list())
    for (const diffId of contentsOf(store.content, target).diffIds) add(images, diffId, name ?? id);
  const steps = new Map<LayerId, Set<string>>();
  for (const { record } of store.cache.list())
    for (const id of mentionedIn(record.results).layers) add(steps, id, record.name);
  return [...store.layers.list()]
    .map(({ id, diffId, created }) => {
      const { tar = 0, directory = 0, index = 0 } = store.layers.usage(id);
      return {
        id,
        ...defined({ diffId }),
        created,
        tar,
        directory,
        index,
        images: diffId === undefined ? [] : [...(images.get(diffId) ?? [])],
        steps: [...(steps.get(id) ?? [])],
        inUse: leased.has(`layer:${id}`),
      };
    })
    .sort((a, b) => a.created - b.created);
}

function add<K>(map: Map<K, Set<string>>, key: K, value: string): void {
  const there = map.get(key);
  if (there === undefined) map.set(key, new Set([value]));
  else there.add(value);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
