import { type Digest, digestOfFields } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { LayerId } from "../snapshot/index.ts";
import type { KeyStore } from "../solver/index.ts";
import type { CachedLayer, LayerCache } from "./file.ts";

/** What is kept of a cached layer: a result, so that the record keeps the layer alive as those of vertices do. */
interface LayerResult {
  readonly layers: readonly [LayerId];
  readonly visits: CachedLayer["visits"];
}

/** A layer cache in the key store. */
export function createLayerCache(keys: KeyStore, layers: LayerStore): LayerCache {
  const recordKey = (layerKey: Digest) => digestOfFields("layers of", layerKey);
  return {
    async get(layerKey) {
      const record = await keys.get(recordKey(layerKey));
      const results = (record?.results ?? []) as readonly LayerResult[];
      return results
        .map(({ layers: [layer], visits }) => ({ layer, visits }))
        .filter(({ layer }) => layers.record(layer) !== undefined);
    },
    async put(layerKey, made) {
      await keys.put(recordKey(layerKey), {
        results: made.map(({ layer, visits }): LayerResult => ({ layers: [layer], visits })),
        created: Date.now(),
        duration: 0,
        name: "layer",
        ingredients: [],
      });
    },
  };
}
