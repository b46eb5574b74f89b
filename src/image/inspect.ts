import type { ContentStore } from "../content/index.ts";
import { familiarReference, familiarRepository, parseReference } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { ImageRecord } from "../names/index.ts";
import type { Image } from "./types.ts";

interface Stores {
  readonly content: ContentStore;
  readonly layers: LayerStore;
}

/**
 * Size in bytes of each layer, base first: of its files where the layer is known, else of its tar; `undefined` for a
 * layer of which only the compressed form is here.
 */
export function layerSizes(
  image: Pick<Image, "config">,
  { content, layers }: Stores,
): readonly (number | undefined)[] {
  return image.config.rootfs.diff_ids.map((diffId) => {
    const id = layers.byDiffId(diffId);
    const record = id === undefined ? undefined : layers.record(id);
    return record?.contentSize ?? content.stat(diffId)?.size;
  });
}

/** Size in bytes as `images` shows it: the sum of the files in all layers. */
export function imageSize(image: Pick<Image, "config" | "manifest">, stores: Stores): number {
  return layerSizes(image, stores).reduce<number>(
    (sum, size, i) => sum + (size ?? image.manifest.layers[i]?.size ?? 0),
    0,
  );
}

/** What `docker image inspect` prints of an image; `records` are all its names. */
export function inspectImage(image: Image, records: readonly ImageRecord[], stores: Stores): object {
  const { config } = image;
  const references = records.flatMap(({ name }) => (name === undefined ? [] : [parseReference(name)]));
  const digests = records.flatMap(({ name, target, pushed = target.digest }) =>
    name === undefined ? [] : [`${familiarRepository(parseReference(name))}@${pushed}`],
  );
  return {
    Id: image.id,
    RepoTags: references.filter(({ digest }) => digest === undefined).map(familiarReference),
    RepoDigests: [...new Set(digests)],
    Comment: config.history?.at(-1)?.comment ?? "",
    Created: config.created ?? "",
    Author: config.author ?? "",
    Architecture: config.architecture,
    ...(config.variant ? { Variant: config.variant } : {}),
    Os: config.os,
    ...(config["os.version"] ? { OsVersion: config["os.version"] } : {}),
    Size: imageSize(image, stores),
    Config: config.config ?? {},
    RootFS: { Type: "layers", Layers: config.rootfs.diff_ids },
    Metadata: { LastTagTime: lastTagTime(records) },
    Descriptor: image.target,
  };
}

function lastTagTime(records: readonly ImageRecord[]): string {
  const times = records.map(({ created }) => created);
  return times.length === 0 ? "0001-01-01T00:00:00Z" : new Date(Math.max(...times)).toISOString();
}
