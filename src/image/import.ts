import type { ContentStore } from "../content/index.ts";
import { type Bytes, decompressed, defined, goText, hostPlatform, type Platform } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import { undoOnFailure } from "./archive/undo.ts";
import { imageFromSnapshot } from "./build.ts";
import type { ContainerConfig, Image } from "./types.ts";

export interface RootfsImport {
  /** What `docker import --change` sets. */
  readonly config?: ContainerConfig;
  readonly platform?: Platform;
  /** `docker import --message`. */
  readonly message?: string;
  /** Milliseconds since the epoch; now when left out. */
  readonly created?: number;
}

/**
 * Makes an image of one layer from the tar of a root filesystem, plain or compressed with gzip or zstd. A failure leaves
 * the store as it was.
 */
export async function importRootfs(
  data: Bytes,
  options: RootfsImport,
  stores: { readonly content: ContentStore; readonly layers: LayerStore },
  signal?: AbortSignal,
): Promise<Image> {
  return await undoOnFailure(stores, async ({ content, layers }) => {
    const blob = await content.ingest(decompressed(data), {}, signal);
    const layer = await layers.fromTar(blob, {
      refuseDevices: true,
      ...defined({ signal }),
    });
    const created = options.created ?? Date.now();
    const { os, architecture, variant } = options.platform ?? hostPlatform();
    const draft = {
      snapshot: { layers: [layer] },
      config: {
        os,
        architecture,
        ...defined({ variant }),
        created: goText.time(created),
        config: options.config ?? {},
        history: [{ created: goText.time(created), comment: options.message ?? "Imported from -" }],
      },
    };
    return await imageFromSnapshot(draft, { content, layers }, signal);
  });
}
