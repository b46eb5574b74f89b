import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError, digestOfFields, hexOf, readIfPresent } from "../core/index.ts";
import type { LayerId } from "../snapshot/index.ts";
import type { Stacking } from "../stacking/index.ts";
import type { LayerCatalog } from "./catalog.ts";
import { bootId, type StoredRecord } from "./layer-files.ts";
import type { DirectoryStyle } from "./unpack-entry.ts";
import { runLayerTask, runLayerTaskIn } from "./work.ts";

/** How directories are made for this way of stacking. */
export function styleOf({ marks, namespace }: Stacking): DirectoryStyle {
  return { marks, ids: namespace?.ids };
}

/**
 * Name of a layer's directory. What it takes from the layers below (`borrowed`) and how directories are made here make it
 * another one.
 */
export function directoryName({ form }: Stacking, borrowed: string): string {
  if (form === "") return borrowed === "" ? "fs" : `fs-${borrowed}`;
  return `fs-${hexOf(digestOfFields(form, borrowed)).slice(0, 16)}`;
}

/**
 * Makes the directory form of a layer at `target`, which appears whole, by rename; one that is there already is
 * taken. `below` are the layers that it borrows from, where it does.
 */
export function unpackTo(
  target: string,
  found: StoredRecord,
  below: readonly LayerId[],
  catalog: LayerCatalog,
  stacking: Stacking,
  signal?: AbortSignal,
): Promise<string> {
  return makeDirectory(target, found.id, catalog, stacking, async (temporary) => {
    const source = await catalog.repaired(found);
    const lower = found.dependsOnLower ? await catalog.sources(below) : [];
    const task = { below: lower, target: temporary, style: styleOf(stacking) };
    if (source.content.kind === "tar") {
      await runLayerTaskIn(stacking.namespace, "unpack", { ...task, source }, signal);
      return;
    }
    // A directory of another kind: by way of a tar.
    const file = `${temporary}.tar`;
    const packed = await runLayerTask("pack", { source, file }, signal);
    try {
      const tar = { ...source, index: packed.indexFile, content: { kind: "tar", path: file } } as const;
      await runLayerTaskIn(stacking.namespace, "unpack", { ...task, source: tar }, signal);
    } finally {
      for (const each of [file, packed.indexFile]) rmSync(each, { force: true });
    }
  });
}

/** Makes one directory of a whole stack, as `unpackTo` does of one layer. It belongs to the top layer. */
export function unpackStackTo(
  target: string,
  layers: readonly LayerId[],
  catalog: LayerCatalog,
  stacking: Stacking,
  signal?: AbortSignal,
): Promise<string> {
  return makeDirectory(target, layers.at(-1)!, catalog, stacking, async (temporary) => {
    const task = { layers: await catalog.sources(layers), target: temporary, style: styleOf(stacking) };
    await runLayerTaskIn(stacking.namespace, "unpackTree", task, signal);
  });
}

/** Takes over a directory that a step wrote as the directory form of its layer. False when there is one. */
export async function adoptDirectory(
  from: string,
  target: string,
  id: LayerId,
  catalog: LayerCatalog,
  stacking: Stacking,
): Promise<boolean> {
  if (isComplete(target)) return false;
  return publish(from, target, id, catalog, stacking);
}

async function makeDirectory(
  target: string,
  id: LayerId,
  catalog: LayerCatalog,
  stacking: Stacking,
  make: (temporary: string) => Promise<void>,
): Promise<string> {
  if (isComplete(target)) return target;
  const { files } = catalog;
  // A directory of ours around it: one that is somebody else's, or that nobody may write to, cannot be renamed into the trash.
  const around = files.temporary();
  mkdirSync(around, { recursive: true, mode: 0o700 });
  const temporary = join(around, "fs");
  try {
    await make(temporary);
    if (existsSync(target)) {
      if (isComplete(target)) return target; // another process was quicker
      files.discard(target);
    }
    const isOurs = await publish(temporary, target, id, catalog, stacking);
    if (!isOurs && !isComplete(target))
      throw new BuildError("internal", `${target}: another process keeps making it`);
    return target;
  } finally {
    if (existsSync(temporary)) files.discard(around);
    else rmSync(around, { recursive: true, force: true });
  }
}

/** False when there is one by then. */
async function publish(
  from: string,
  target: string,
  id: LayerId,
  { unsynced }: LayerCatalog,
  { namespace }: Stacking,
): Promise<boolean> {
  writeFileSync(`${target}.boot`, bootId());
  const { moveTree } = await import("../stacking/index.ts");
  const isOurs = await moveTree(namespace, from, target);
  unsynced.add(id);
  return isOurs;
}

/** An unpacked directory that a power failure may have cut short is not worth having. */
function isComplete(target: string): boolean {
  return existsSync(target) && (readIfPresent(`${target}.boot`) ?? bootId()) === bootId();
}
