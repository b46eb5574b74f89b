import { existsSync, renameSync, writeFileSync } from "node:fs";
import { BuildError } from "../core/index.ts";
import type { LayerId, LayerSource } from "../snapshot/index.ts";
import { bootId, type LayerFiles, type StoredRecord } from "./layer-files.ts";
import { runLayerTask } from "./work.ts";

/** What unpacking a layer needs of the store. */
interface Store {
  readonly files: LayerFiles;
  /** Layers that have something that is not known to be on disk. */
  readonly unsynced: Set<LayerId>;
  sources(layers: readonly LayerId[]): Promise<readonly LayerSource[]>;
  repaired(found: StoredRecord): Promise<LayerSource>;
}

/**
 * Makes the directory form of a layer at `target`, which appears whole, by rename; one that is there already is
 * taken. `below` are the layers that it borrows from, where it does.
 */
export async function unpackTo(
  target: string,
  found: StoredRecord,
  below: readonly LayerId[],
  store: Store,
  signal?: AbortSignal,
): Promise<string> {
  const { files } = store;
  if (isComplete(target, files)) return target;
  if (process.getuid?.() !== 0)
    throw new BuildError("permission-denied", "unpacking a layer for RUN needs root (owners, whiteouts)", {
      hint: "builds without RUN need no privileges",
    });
  const source = await store.repaired(found);
  const temporary = files.temporary();
  const task = {
    source,
    below: found.dependsOnLower ? await store.sources(below) : [],
    target: temporary,
  };
  try {
    await runLayerTask("unpack", task, signal);
    if (existsSync(target)) {
      if (isComplete(target, files)) return target; // another process was quicker
      files.discard(target);
    }
    writeFileSync(`${target}.boot`, bootId());
    renameSync(temporary, target);
    store.unsynced.add(found.id);
    return target;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if ((code === "ENOTEMPTY" || code === "EEXIST") && isComplete(target, files)) return target;
    throw error;
  } finally {
    if (existsSync(temporary)) files.discard(temporary);
  }
}

/** An unpacked directory that a power failure may have cut short is not worth having. */
function isComplete(target: string, files: LayerFiles): boolean {
  return existsSync(target) && (files.text(`${target}.boot`) ?? bootId()) === bootId();
}
