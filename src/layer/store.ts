import { rmSync } from "node:fs";
import type { ContentStore } from "../content/index.ts";
import type { Digest } from "../core/index.ts";
import type { LayerId } from "../snapshot/index.ts";
import type { Stacking } from "../stacking/index.ts";
import { borrowedKey } from "./borrowed.ts";
import { type LayerCatalog, openCatalog } from "./catalog.ts";
import { compressBlob, compressedBefore, compressionKind } from "./compressed.ts";
import { directoryName, unpackStackTo, unpackTo } from "./directory.ts";
import { fromTar } from "./from-tar.ts";
import type { StoredRecord } from "./layer-files.ts";
import { packLayer } from "./pack.ts";
import { syncLayers } from "./sync.ts";
import { adoptPacked, adoptUpper, fromDirectory, packUpper } from "./take-in.ts";
import type { LayerStore } from "./types.ts";
import { usageOf } from "./usage.ts";
import { inlineBytes, inlineEntries, runLayerTask } from "./work.ts";

/** Opens the layers of the store that `content` belongs to. Touches nothing; directories are made by the first write. */
export function openLayerStore(content: ContentStore): LayerStore {
  const catalog = openCatalog(content);
  const { files, once } = catalog;

  /** Found out when the first directory is needed: most builds need none. */
  async function ownStacking(): Promise<Stacking> {
    const { stackingOf } = await import("../stacking/index.ts");
    return stackingOf(content.root);
  }

  return {
    record: catalog.record,
    source: async (id) => (await catalog.sources([id]))[0]!,
    sources: (snapshot) => catalog.sources(snapshot.layers),
    view: catalog.view,
    rootfs: (snapshot) => catalog.rootfs(snapshot.layers),
    directories: async ({ layers }, signal) =>
      layers.length === 0 ? [] : directoriesOf(layers, catalog, await ownStacking(), signal),
    directory: async (id, below = [], signal) => directoryOf(id, below, catalog, await ownStacking(), signal),
    tar: (id, signal) => tarOf(id, catalog, signal),
    fromTar: (blob, options = {}) =>
      once(`from ${blob.digest} ${options.diffId} ${options.below?.layers.join()}`, () =>
        fromTar(blob, options, catalog),
      ),
    async adoptUpper(upper, signal, below = { layers: [] }) {
      const stacking = await ownStacking();
      return stacking.form === ""
        ? adoptUpper(upper, catalog, signal)
        : packUpper(upper, below, stacking, catalog, signal);
    },
    fromDirectory: (directory, options = {}) => fromDirectory(directory, options, catalog),
    adoptPacked: async (packed) => adoptPacked(packed, catalog),
    byDiffId: catalog.byDiffId,
    async compressed(diffId, algorithm, signal, level) {
      const kind = compressionKind(algorithm, level);
      return (
        compressedBefore(diffId, kind, content, files) ??
        once(`${kind} ${diffId}`, () =>
          compressBlob(diffId, { algorithm, kind, signal, level }, content, files),
        )
      );
    },
    sync: () => syncLayers(content.root, files, catalog.unsynced),
    *list() {
      for (const id of files.list()) {
        const found = catalog.record(id);
        if (found !== undefined) yield found;
      }
    },
    remove: catalog.remove,
    usage: (id) => usageOf(files, content, id),
  };
}

async function directoriesOf(
  layers: readonly LayerId[],
  catalog: LayerCatalog,
  stacking: Stacking,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  if (stacking.rung === "clone") {
    // One directory of the whole stack, for layers cannot be mounted one over the other.
    const target = catalog.files.directory(layers.at(-1)!, directoryName(stacking, layers.join()));
    return [await catalog.once(target, () => unpackStackTo(target, layers, catalog, stacking, signal))];
  }
  const start = Math.max(
    0,
    layers.findLastIndex((id) => catalog.existing(id).opaqueRoot),
  );
  return Promise.all(
    layers
      .slice(start)
      .map((id, i) => directoryOf(id, layers.slice(0, start + i), catalog, stacking, signal)),
  );
}

async function directoryOf(
  id: LayerId,
  below: readonly LayerId[],
  catalog: LayerCatalog,
  stacking: Stacking,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { files } = catalog;
  const found = catalog.existing(id);
  if (found.origin === "directory" && stacking.form === "") return files.directory(id, "fs");
  const borrowed = found.dependsOnLower
    ? await borrowedKey(await catalog.index(found), () => catalog.rootfs(below))
    : "";
  const target = files.directory(id, directoryName(stacking, borrowed));
  return catalog.once(target, () => unpackTo(target, found, below, catalog, stacking, signal));
}

async function tarOf(
  id: LayerId,
  catalog: LayerCatalog,
  signal: AbortSignal | undefined,
): Promise<{ diffId: Digest; size: number }> {
  const { content, files } = catalog;
  const found = catalog.existing(id);
  const { diffId, tarSize } = found;
  if (diffId !== undefined && content.stat(diffId)?.size === tarSize) return { diffId, size: tarSize! };
  return catalog.once(`tar ${id}`, async () => {
    const source = await catalog.repaired(found);
    const file = content.temporary();
    try {
      const packed = isSmall(found)
        ? packLayer(source, file)
        : await runLayerTask("pack", { source, file }, signal);
      content.adopt(file, { digest: packed.diffId, size: packed.size });
      files.write({ ...catalog.existing(id), diffId: packed.diffId, tarSize: packed.size });
      if (catalog.byDiffId(packed.diffId) === undefined) files.remember(packed.diffId, "", id);
      return { diffId: packed.diffId, size: packed.size };
    } finally {
      rmSync(file, { force: true });
      rmSync(`${file}.index`, { force: true });
    }
  });
}

function isSmall({ entryCount, contentSize }: StoredRecord): boolean {
  return entryCount <= inlineEntries && contentSize <= inlineBytes;
}
