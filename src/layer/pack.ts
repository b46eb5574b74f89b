import { BuildError, type BytePath, textOf } from "../core/index.ts";
import type { LayerSource } from "../snapshot/index.ts";
import { entryAt, flagsAt, loadIndex, pathAt, recordFlags, typeAt, viewOf } from "../snapshot/index.ts";
import type { PackedLayer } from "./types.ts";
import { openLayerWriter } from "./writer.ts";

/** Packs a layer of either form as a tar, in the order of its index. The same layer gives the same bytes. */
export function packLayer(source: LayerSource, file: string): PackedLayer {
  const index = loadIndex(source.index);
  if (index === undefined)
    throw new BuildError("data-loss", `layer ${source.id}: its index is missing or damaged`);
  const view = viewOf(source, index);
  const writer = openLayerWriter({ file });
  try {
    for (let record = 0; record < index.count; record++) {
      const path = pathAt(index, record);
      if (typeAt(index, record) === "whiteout") {
        writer.whiteout(path);
        continue;
      }
      refuseWhiteoutName(path);
      const entry = entryAt(index, record, path);
      if (entry.type === "file") {
        const content = view.open(path);
        try {
          writer.add(entry, { kind: "fd", ...content });
        } finally {
          content.close();
        }
      } else if (!entry.implied) writer.add(entry);
      if (flagsAt(index, record) & recordFlags.opaque) writer.opaque(path);
    }
    return writer.finish();
  } catch (error) {
    writer.abort();
    throw error;
  } finally {
    view.close();
  }
}

/** A step may make such files for its own ends; in an image they would delete something when it is unpacked. */
function refuseWhiteoutName(path: BytePath): void {
  if (!path.startsWith(".wh.", path.lastIndexOf("/") + 1)) return;
  throw new BuildError(
    "failed-precondition",
    `/${textOf(path)}: image layers cannot hold a file whose name begins with .wh.`,
    { hint: "remove or rename it in the RUN that makes it" },
  );
}
