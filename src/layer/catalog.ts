import { statSync, utimesSync } from "node:fs";
import type { ContentStore } from "../content/index.ts";
import { BuildError, type Digest, replaceFileBy } from "../core/index.ts";
import {
  createRootfs,
  type LayerId,
  type LayerIndex,
  type LayerSource,
  type LayerView,
  loadIndex,
  type Rootfs,
  viewOf,
} from "../snapshot/index.ts";
import { bootId, type LayerFiles, openLayerFiles, type StoredRecord } from "./layer-files.ts";
import { createViewCache } from "./view-cache.ts";
import { runLayerTask } from "./work.ts";

/** The layers that are there: their records, their indexes, and views of them. */
export interface LayerCatalog {
  readonly content: ContentStore;
  readonly files: LayerFiles;
  /** Layers that have something that is not known to be on disk. */
  readonly unsynced: Set<LayerId>;
  record(id: LayerId): StoredRecord | undefined;
  /** The record of a layer that must be there; throws `not-found`. */
  existing(id: LayerId): StoredRecord;
  byDiffId(diffId: Digest): LayerId | undefined;
  /** The index of a layer, made again from its authoritative form when it cannot be read. */
  index(found: StoredRecord): Promise<LayerIndex>;
  /** How to open a layer whose index is whole. */
  repaired(found: StoredRecord): Promise<LayerSource>;
  sources(layers: readonly LayerId[]): Promise<LayerSource[]>;
  view(id: LayerId): Promise<LayerView>;
  rootfs(layers: readonly LayerId[]): Promise<Rootfs>;
  /** Makes a prepared layer visible. */
  publish(prepared: string, facts: Omit<StoredRecord, "version" | "created" | "unsynced">): void;
  /** A layer that is used again counts as new for a collection that decides at this moment. False when that was quicker. */
  touch(id: LayerId): boolean;
  remove(id: LayerId): void;
  /** What two callers of this process need at once is done once. Other processes do it again, and find it done. */
  once<T>(key: string, work: () => Promise<T>): Promise<T>;
}

/** Opens the catalog of the store that `content` belongs to. Touches nothing. */
export function openCatalog(content: ContentStore): LayerCatalog {
  const files = openLayerFiles(content.root);
  const views = createViewCache();
  const underway = new Map<string, Promise<unknown>>();
  const unsynced = new Set<LayerId>();

  function once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const running = underway.get(key) as Promise<T> | undefined;
    if (running !== undefined) return running;
    const started = work().finally(() => underway.delete(key));
    underway.set(key, started);
    return started;
  }

  function record(id: LayerId): StoredRecord | undefined {
    const found = files.read(id);
    if (found === undefined) return undefined;
    if (found.origin === "tar" && content.stat(found.diffId!) === undefined) return undefined;
    if (found.unsynced !== undefined) unsynced.add(id);
    return found;
  }

  function existing(id: LayerId): StoredRecord {
    const found = record(id);
    if (found === undefined) throw new BuildError("not-found", `layer ${id} is not in the store`);
    return found;
  }

  function sourceOf(found: StoredRecord): LayerSource {
    return {
      id: found.id,
      index: files.directory(found.id, "index"),
      digests: files.directory(found.id, "digests"),
      content:
        found.origin === "tar"
          ? { kind: "tar", path: content.path(found.diffId!) }
          : { kind: "directory", path: files.directory(found.id, "fs") },
    };
  }

  async function index(found: StoredRecord): Promise<LayerIndex> {
    const source = sourceOf(found);
    const loaded = loadIndex(source.index);
    if (loaded !== undefined) return loaded;
    await once(`index ${found.id}`, () => rebuildIndex(found, source));
    const rebuilt = loadIndex(source.index);
    if (rebuilt === undefined)
      throw new BuildError("data-loss", `layer ${found.id}: its index cannot be rebuilt`);
    return rebuilt;
  }

  async function view(id: LayerId): Promise<LayerView> {
    const cached = views.get(id);
    if (cached !== undefined) return cached;
    const found = existing(id);
    const loaded = await index(found);
    return views.add(viewOf(sourceOf(found), loaded), loaded.bytes.length);
  }

  async function sourceWithIndex(id: LayerId): Promise<LayerSource> {
    const source = sourceOf(existing(id));
    const size = statSync(source.index, { throwIfNoEntry: false })?.size;
    if (size === undefined || size !== views.sizeOf(id)) {
      views.delete(id);
      await view(id);
    }
    return source;
  }

  return {
    content,
    files,
    unsynced,
    record,
    existing,
    byDiffId(diffId) {
      const id = files.memo(diffId, "");
      return id !== undefined && record(id)?.diffId === diffId ? id : undefined;
    },
    index,
    async repaired(found) {
      await index(found);
      return sourceOf(found);
    },
    sources: (layers) => Promise.all(layers.map(sourceWithIndex)),
    view,
    rootfs: async (layers) => createRootfs(await Promise.all(layers.map(view))),
    publish(prepared, facts) {
      files.publish(prepared, { version: 1, ...facts, created: Date.now(), unsynced: bootId() });
      unsynced.add(facts.id);
    },
    touch(id) {
      const now = Date.now() / 1000;
      try {
        utimesSync(files.directory(id), now, now);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        return false;
      }
    },
    remove(id) {
      views.delete(id);
      unsynced.delete(id);
      files.discard(files.directory(id));
    },
    once,
  };
}

async function rebuildIndex(found: StoredRecord, { index, content }: LayerSource): Promise<void> {
  const options = {
    refuseDevices: found.refuseDevices === true,
    ...(found.moved === undefined ? {} : { moved: new Map(found.moved) }),
  };
  await replaceFileBy(index, (indexFile) =>
    content.kind === "directory"
      ? runLayerTask("indexDirectory", { root: content.path, indexFile })
      : runLayerTask("indexTar", { file: content.path, indexFile, options }),
  );
}
