import { statSync } from "node:fs";
import type { ContentStore } from "../content/index.ts";
import { defined } from "../core/index.ts";
import type { LayerId } from "../snapshot/index.ts";
import type { LayerFiles } from "./layer-files.ts";
import type { LayerUsage } from "./types.ts";

/**
 * See `LayerStore.usage`. A directory counts with the sizes of its files and a page for each entry: counting blocks would
 * take a walk.
 */
export function usageOf(files: LayerFiles, content: ContentStore, id: LayerId): LayerUsage {
  const found = files.read(id);
  if (found === undefined) return {};
  const tar = found.diffId === undefined ? undefined : content.stat(found.diffId)?.size;
  const index = statSync(files.directory(id, "index"), { throwIfNoEntry: false })?.size;
  const copies = files.names(id).filter((name) => /^fs(-[0-9a-f]+)?$/.test(name)).length;
  return {
    ...defined({ tar }),
    ...(copies === 0 ? {} : { directory: copies * (found.contentSize + 4096 * found.entryCount) }),
    ...defined({ index }),
  };
}
