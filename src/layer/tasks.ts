/** The long, synchronous pieces of work on layers. Input and output are plain data: they run here or in a worker. */
import { closeSync, fstatSync, openSync, readSync, writeFileSync } from "node:fs";
import { BuildError } from "../core/index.ts";
import type { BuiltIndex, LayerSource } from "../snapshot/index.ts";
import { inflate } from "./inflate.ts";
import { indexDirectory, tooMany } from "./overlay-walk.ts";
import { packLayer } from "./pack.ts";
import { packDirectory } from "./pack-directory.ts";
import { type IndexTarOptions, indexTar } from "./tar-index.ts";
import { unpackLayer } from "./unpack.ts";
import { unpackTree } from "./unpack-tree.ts";
import { packUpper } from "./upper-pack.ts";

/** What an index says of its layer. */
export type IndexSummary = Omit<BuiltIndex, "bytes">;

export const layerTasks = {
  inflate,
  unpack: unpackLayer,
  unpackTree,
  packUpper,
  pack: (input: { source: LayerSource; file: string }) => packLayer(input.source, input.file),
  packDirectory,
  indexTar(input: { file: string; indexFile: string; options?: IndexTarOptions }): IndexSummary {
    const fd = openSync(input.file, "r");
    try {
      const read = (target: Buffer, position: number) => readSync(fd, target, 0, target.length, position);
      return saved(indexTar({ size: fstatSync(fd).size, read }, input.options), input.indexFile);
    } finally {
      closeSync(fd);
    }
  },
  indexDirectory(input: { root: string; indexFile: string }): IndexSummary {
    const summary = indexSmallDirectory(input, Number.POSITIVE_INFINITY);
    if (summary === undefined) throw new BuildError("internal", "a walk without a limit met one");
    return summary;
  },
};

/** Indexes a directory of at most `limit` entries; `undefined` when it has more. */
export function indexSmallDirectory(
  input: { root: string; indexFile: string },
  limit: number,
): IndexSummary | undefined {
  const built = indexDirectory(input.root, limit);
  return built === tooMany ? undefined : saved(built, input.indexFile);
}

function saved({ bytes, ...summary }: BuiltIndex, indexFile: string): IndexSummary {
  writeFileSync(indexFile, bytes);
  return summary;
}
