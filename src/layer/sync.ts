import { rmSync } from "node:fs";
import type { LayerId } from "../snapshot/index.ts";
import { syncFilesystem } from "../sys/index.ts";
import type { LayerFiles } from "./layer-files.ts";

/** Makes layers durable; then their records say so, and another boot trusts them. Takes them out of `unsynced`. */
export async function syncLayers(root: string, files: LayerFiles, unsynced: Set<LayerId>): Promise<void> {
  if (unsynced.size === 0) return;
  const ids = [...unsynced];
  const markers = ids.flatMap((id) => files.bootMarkers(id));
  await syncFilesystem(root);
  for (const id of ids) {
    unsynced.delete(id);
    const found = files.read(id);
    if (found?.unsynced === undefined) continue;
    const { unsynced: _, ...synced } = found;
    files.write(synced);
  }
  for (const marker of markers) rmSync(marker, { force: true });
}
