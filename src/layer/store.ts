import { renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
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
  type Snapshot,
  viewOf,
} from "../snapshot/index.ts";
import type { Stacking } from "../stacking/index.ts";
import { borrowedKey } from "./borrowed.ts";
import { compressBlob, compressedBefore, compressionKind } from "./compressed.ts";
import { adoptDirectory, directoryName, styleOf, unpackStackTo, unpackTo } from "./directory.ts";
import { fromTar } from "./from-tar.ts";
import { bootId, described, freshId, openLayerFiles, type StoredRecord } from "./layer-files.ts";
import { packLayer } from "./pack.ts";
import { syncLayers } from "./sync.ts";
import type { FromDirectoryOptions, LayerStore, PackedLayer } from "./types.ts";
import { usageOf } from "./usage.ts";
import { createViewCache } from "./view-cache.ts";
import { runLayerTask, runLayerTaskIn } from "./work.ts";

/** Up to so many entries a walk is quicker than starting a worker, and packing them too if they are small. */
const inlineEntries = 1000;
const inlineBytes = 4 << 20;

/** Opens the layers of the store that `content` belongs to. Touches nothing; directories are made by the first write. */
export function openLayerStore(content: ContentStore): LayerStore {
  const files = openLayerFiles(content.root);
  const views = createViewCache();
  const underway = new Map<string, Promise<unknown>>();
  const unsynced = new Set<LayerId>();

  /** What two callers of this process need at once is done once. Other processes do it again, and find it done. */
  function once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const running = underway.get(key) as Promise<T> | undefined;
    if (running !== undefined) return running;
    const started = work().finally(() => underway.delete(key));
    underway.set(key, started);
    return started;
  }

  const state = { files, unsynced, sources, repaired };

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

  /** The index of a layer, made again from its authoritative form when it cannot be read. */
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

  /** How to open a layer whose index is whole. */
  async function repaired(found: StoredRecord): Promise<LayerSource> {
    await index(found);
    return sourceOf(found);
  }

  async function rebuildIndex(found: StoredRecord, source: LayerSource): Promise<void> {
    const { content } = source;
    const options = {
      refuseDevices: found.refuseDevices === true,
      ...(found.moved === undefined ? {} : { moved: new Map(found.moved) }),
    };
    await replaceFileBy(source.index, (indexFile) =>
      content.kind === "directory"
        ? runLayerTask("indexDirectory", { root: content.path, indexFile })
        : runLayerTask("indexTar", { file: content.path, indexFile, options }),
    );
  }

  async function view(id: LayerId): Promise<LayerView> {
    const cached = views.get(id);
    if (cached !== undefined) return cached;
    const found = existing(id);
    const loaded = await index(found);
    return views.add(viewOf(sourceOf(found), loaded), loaded.bytes.length);
  }

  async function rootfs(layers: readonly LayerId[]): Promise<Rootfs> {
    return createRootfs(await Promise.all(layers.map(view)));
  }

  async function directory(
    id: LayerId,
    below: readonly LayerId[] = [],
    signal?: AbortSignal,
  ): Promise<string> {
    const stacking = await ownStacking();
    const found = existing(id);
    if (found.origin === "directory" && stacking.form === "") return files.directory(id, "fs");
    const borrowed = found.dependsOnLower ? await borrowedKey(await index(found), () => rootfs(below)) : "";
    const target = files.directory(id, directoryName(stacking, borrowed));
    return once(target, () => unpackTo(target, found, below, state, stacking, signal));
  }

  /** One directory of a whole stack, where layers cannot be mounted one over the other. */
  function stackDirectory(
    layers: readonly LayerId[],
    stacking: Stacking,
    signal?: AbortSignal,
  ): Promise<string> {
    const target = files.directory(layers.at(-1)!, directoryName(stacking, layers.join()));
    return once(target, () => unpackStackTo(target, layers, state, stacking, signal));
  }

  /** Found out when the first directory is needed: most builds need none. */
  async function ownStacking(): Promise<Stacking> {
    const { stackingOf } = await import("../stacking/index.ts");
    return stackingOf(content.root);
  }

  async function sources(layers: readonly LayerId[]): Promise<LayerSource[]> {
    return Promise.all(
      layers.map(async (id) => {
        const found = existing(id);
        const source = sourceOf(found);
        const size = statSync(source.index, { throwIfNoEntry: false })?.size;
        if (size === undefined || size !== views.sizeOf(id)) {
          views.delete(id);
          await view(id);
        }
        return source;
      }),
    );
  }

  async function directories(snapshot: Snapshot, signal?: AbortSignal): Promise<string[]> {
    const { layers } = snapshot;
    if (layers.length === 0) return [];
    const stacking = await ownStacking();
    if (stacking.rung === "clone") return [await stackDirectory(layers, stacking, signal)];
    let start = layers.length - 1;
    while (start > 0 && !existing(layers[start]!).opaqueRoot) start--;
    return Promise.all(
      layers
        .slice(Math.max(start, 0))
        .map((id, i) => directory(id, layers.slice(0, Math.max(start, 0) + i), signal)),
    );
  }

  async function tar(id: LayerId, signal?: AbortSignal): Promise<{ diffId: Digest; size: number }> {
    const found = existing(id);
    const { diffId, tarSize } = found;
    if (diffId !== undefined && content.stat(diffId)?.size === tarSize) return { diffId, size: tarSize! };
    return once(`tar ${id}`, async () => {
      const source = await repaired(found);
      const file = content.temporary();
      try {
        const packed = isSmall(found)
          ? packLayer(source, file)
          : await runLayerTask("pack", { source, file }, signal);
        content.adopt(file, { digest: packed.diffId, size: packed.size });
        files.write({ ...existing(id), diffId: packed.diffId, tarSize: packed.size });
        if (byDiffId(packed.diffId) === undefined) files.remember(packed.diffId, "", id);
        return { diffId: packed.diffId, size: packed.size };
      } finally {
        rmSync(file, { force: true });
        rmSync(`${file}.index`, { force: true });
      }
    });
  }

  async function adoptUpper(
    upper: string,
    signal?: AbortSignal,
    below: Snapshot = { layers: [] },
  ): Promise<LayerId> {
    const stacking = await ownStacking();
    if (stacking.form !== "") return packUpper(upper, below, stacking, signal);
    const id = freshId();
    const prepared = files.prepare(id);
    try {
      moveUpper(upper, join(prepared, "fs"));
      const input = { root: join(prepared, "fs"), indexFile: join(prepared, "index") };
      const { indexSmallDirectory } = await import("./tasks.ts"); // the working part of the layers
      const summary =
        indexSmallDirectory(input, inlineEntries) ?? (await runLayerTask("indexDirectory", input, signal));
      publish(prepared, { id, origin: "directory", ...described(summary) });
      return id;
    } catch (error) {
      files.discard(prepared);
      throw error;
    }
  }

  /** What a step wrote where root's overlayfs is not to be had: its tar is made at once, the directory is kept for the next step. */
  async function packUpper(
    upper: string,
    below: Snapshot,
    stacking: Stacking,
    signal?: AbortSignal,
  ): Promise<LayerId> {
    const whole = stacking.rung === "clone";
    const packed = await runLayerTaskIn(
      stacking.namespace,
      "packUpper",
      {
        root: upper,
        below: await sources(below.layers),
        style: styleOf(stacking),
        whole,
        file: content.temporary(),
      },
      signal,
    );
    const id = await adoptPacked(packed);
    const name = directoryName(stacking, whole ? [...below.layers, id].join() : "");
    await adoptDirectory(upper, files.directory(id, name), id, state, stacking);
    return id;
  }

  function publish(prepared: string, facts: Omit<StoredRecord, "version" | "created" | "unsynced">): void {
    files.publish(prepared, { version: 1, ...facts, created: Date.now(), unsynced: bootId() });
    unsynced.add(facts.id);
  }

  async function adoptPacked(packed: PackedLayer): Promise<LayerId> {
    const { diffId, size } = packed;
    content.adopt(packed.file, { digest: diffId, size });
    const known = byDiffId(diffId);
    if (known !== undefined && record(known)?.origin === "tar" && touch(known)) {
      renameSync(packed.indexFile, files.directory(known, "index")); // it may have digests that the old one lacks
      return known;
    }
    const loaded = loadIndex(packed.indexFile);
    if (loaded === undefined) throw new BuildError("data-loss", `${packed.indexFile} is missing or damaged`);
    const id = freshId();
    const prepared = files.prepare(id);
    renameSync(packed.indexFile, join(prepared, "index"));
    const { entryCount, contentSize, dependsOnLower, opaqueRoot } = packed;
    publish(prepared, {
      id,
      origin: "tar",
      diffId,
      tarSize: size,
      ...described({ entryCount, contentSize, dependsOnLower, opaqueRoot }),
    });
    files.remember(diffId, "", id);
    return id;
  }

  async function fromDirectory(
    directory: string,
    { signal, ...options }: FromDirectoryOptions = {},
  ): Promise<LayerId> {
    const file = content.temporary();
    try {
      return await adoptPacked(await runLayerTask("packDirectory", { directory, file, ...options }, signal));
    } finally {
      rmSync(file, { force: true });
      rmSync(`${file}.index`, { force: true });
    }
  }

  function byDiffId(diffId: Digest): LayerId | undefined {
    const id = files.memo(diffId, "");
    return id !== undefined && record(id)?.diffId === diffId ? id : undefined;
  }

  /** A layer that is used again counts as new for a collection that decides at this moment. False when that was quicker. */
  function touch(id: LayerId): boolean {
    const now = Date.now() / 1000;
    try {
      utimesSync(files.directory(id), now, now);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return false;
    }
  }

  return {
    record,
    source: async (id) => (await sources([id]))[0]!,
    sources: (snapshot) => sources(snapshot.layers),
    view,
    rootfs: (snapshot) => rootfs(snapshot.layers),
    directories,
    directory,
    tar,
    fromTar: (blob, options = {}) =>
      once(`from ${blob.digest} ${options.diffId} ${options.below?.layers.join()}`, () =>
        fromTar(blob, options, { content, files, byDiffId, record, index, rootfs, publish, touch }),
      ),
    adoptUpper,
    fromDirectory,
    adoptPacked,
    byDiffId,
    async compressed(diffId, algorithm, signal, level) {
      const kind = compressionKind(algorithm, level);
      return (
        compressedBefore(diffId, kind, content, files) ??
        once(`${kind} ${diffId}`, () =>
          compressBlob(diffId, { algorithm, kind, signal, level }, content, files),
        )
      );
    },
    sync: () => syncLayers(content.root, files, unsynced),
    *list() {
      for (const id of files.list()) {
        const found = record(id);
        if (found !== undefined) yield found;
      }
    },
    remove(id) {
      views.delete(id);
      unsynced.delete(id);
      files.discard(files.directory(id));
    },
    usage: (id) => usageOf(files, content, id),
  };
}

function isSmall({ entryCount, contentSize }: StoredRecord): boolean {
  return entryCount <= inlineEntries && contentSize <= inlineBytes;
}

function moveUpper(upper: string, target: string): void {
  try {
    renameSync(upper, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    throw new BuildError("failed-precondition", `${upper} is on another filesystem than the store`, {
      cause: error,
    });
  }
}
