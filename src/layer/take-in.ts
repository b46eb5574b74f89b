import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../core/index.ts";
import { type LayerId, loadIndex, type Snapshot } from "../snapshot/index.ts";
import type { Stacking } from "../stacking/index.ts";
import type { LayerCatalog } from "./catalog.ts";
import { adoptDirectory, directoryName, styleOf } from "./directory.ts";
import { described, freshId } from "./layer-files.ts";
import type { FromDirectoryOptions, PackedLayer } from "./types.ts";
import { inlineEntries, runLayerTask, runLayerTaskIn } from "./work.ts";

/** See `LayerStore.adoptPacked`. */
export function adoptPacked(packed: PackedLayer, catalog: LayerCatalog): LayerId {
  const { content, files } = catalog;
  const { diffId, size } = packed;
  content.adopt(packed.file, { digest: diffId, size });
  const known = catalog.byDiffId(diffId);
  if (known !== undefined && catalog.record(known)?.origin === "tar" && catalog.touch(known)) {
    renameSync(packed.indexFile, files.directory(known, "index")); // it may have digests that the old one lacks
    return known;
  }
  const loaded = loadIndex(packed.indexFile);
  if (loaded === undefined) throw new BuildError("data-loss", `${packed.indexFile} is missing or damaged`);
  const id = freshId();
  const prepared = files.prepare(id);
  renameSync(packed.indexFile, join(prepared, "index"));
  catalog.publish(prepared, { id, origin: "tar", diffId, tarSize: size, ...described(packed) });
  files.remember(diffId, "", id);
  return id;
}

/** See `LayerStore.fromDirectory`. */
export async function fromDirectory(
  directory: string,
  { signal, ...options }: FromDirectoryOptions,
  catalog: LayerCatalog,
): Promise<LayerId> {
  const file = catalog.content.temporary();
  try {
    const packed = await runLayerTask("packDirectory", { directory, file, ...options }, signal);
    return adoptPacked(packed, catalog);
  } finally {
    rmSync(file, { force: true });
    rmSync(`${file}.index`, { force: true });
  }
}

/** Takes over what a step wrote through root's overlayfs as the layer's authoritative form. */
export async function adoptUpper(
  upper: string,
  catalog: LayerCatalog,
  signal: AbortSignal | undefined,
): Promise<LayerId> {
  const { files } = catalog;
  const id = freshId();
  const prepared = files.prepare(id);
  try {
    moveUpper(upper, join(prepared, "fs"));
    const input = { root: join(prepared, "fs"), indexFile: join(prepared, "index") };
    const { indexSmallDirectory } = await import("./tasks.ts"); // the working part of the layers
    const summary =
      indexSmallDirectory(input, inlineEntries) ?? (await runLayerTask("indexDirectory", input, signal));
    catalog.publish(prepared, { id, origin: "directory", ...described(summary) });
    return id;
  } catch (error) {
    files.discard(prepared);
    throw error;
  }
}

/** The same where root's overlayfs is not to be had: the tar is made at once, the directory is kept for the next step. */
export async function packUpper(
  upper: string,
  below: Snapshot,
  stacking: Stacking,
  catalog: LayerCatalog,
  signal: AbortSignal | undefined,
): Promise<LayerId> {
  const whole = stacking.rung === "clone";
  const task = {
    root: upper,
    below: await catalog.sources(below.layers),
    style: styleOf(stacking),
    whole,
    file: catalog.content.temporary(),
  };
  const id = adoptPacked(await runLayerTaskIn(stacking.namespace, "packUpper", task, signal), catalog);
  const name = directoryName(stacking, whole ? [...below.layers, id].join() : "");
  await adoptDirectory(upper, catalog.files.directory(id, name), id, catalog, stacking);
  return id;
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
