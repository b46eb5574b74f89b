import type { ContentStore } from "../content/index.ts";
import { BuildError, type Digest, mediaTypes } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { Snapshot } from "../snapshot/index.ts";
import { encodeConfig } from "./config.ts";
import { clampHistory, clampTime, completeHistory } from "./history.ts";
import { encodeManifest, parseManifestOrIndex } from "./manifest.ts";
import { manifestDescriptorOf } from "./read.ts";
import type { HistoryEntry, Image, ImageConfig, Manifest } from "./types.ts";

/** What a build knows of the image to be; layers and missing times are filled in. */
export interface ImageDraft {
  readonly snapshot: Snapshot;
  readonly config: Omit<ImageConfig, "rootfs">;
  /** For each entry of `config.history`: when its layer was made, in milliseconds, where the cache knows. */
  readonly created?: readonly (number | undefined)[];
  /** SOURCE_DATE_EPOCH in milliseconds: later times are moved back to it. */
  readonly epoch?: number;
  /** History of the base image: its times are never moved. */
  readonly baseHistory?: readonly HistoryEntry[];
  /** Of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Makes manifest and configuration for a stack of layers and puts them, and the layers' tars, into the content store.
 * The same draft gives the same bytes, and then nothing is written.
 */
export async function imageFromSnapshot(
  draft: ImageDraft,
  stores: { readonly content: ContentStore; readonly layers: LayerStore },
  signal?: AbortSignal,
): Promise<Image> {
  const tars = await Promise.all(draft.snapshot.layers.map((id) => stores.layers.tar(id, signal)));
  const rawConfig = encodeConfig(completeConfig(draft, tars, stores.layers));
  const rawManifest = encodeManifest(
    await stores.content.ingestBytes(rawConfig),
    tars.map(({ diffId, size }) => ({ mediaType: mediaTypes.ociLayer, digest: diffId, size })),
    draft.annotations,
  );
  const descriptor = manifestDescriptorOf(rawManifest);
  await stores.content.ingestBytes(rawManifest);
  return imageOf(descriptor, rawManifest, rawConfig);
}

function completeConfig(
  draft: ImageDraft,
  tars: readonly { diffId: Digest }[],
  layers: LayerStore,
): ImageConfig {
  const { config, epoch } = draft;
  if (!config.os || !config.architecture)
    throw new BuildError(
      "invalid-argument",
      "the image configuration names no operating system or architecture",
    );
  const origins = draft.snapshot.layers.map((id) => ({ created: layers.record(id)?.created ?? 0 }));
  const complete = completeHistory(config.history ?? [], origins, draft.created);
  const history = epoch === undefined ? complete : clampHistory(complete, epoch, draft.baseHistory);
  const own = config.created;
  const created =
    own === undefined
      ? history.findLast((entry) => entry.created !== undefined)?.created
      : epoch === undefined
        ? own
        : clampTime(own, epoch);
  const { created: _, ...rest } = config;
  return {
    ...rest,
    ...(created === undefined ? {} : { created }),
    history,
    rootfs: { type: "layers", diff_ids: tars.map(({ diffId }) => diffId) },
  };
}

function imageOf(descriptor: Image["target"], rawManifest: Buffer, rawConfig: Buffer): Image {
  const manifest = parseManifestOrIndex(rawManifest, descriptor.digest) as Manifest;
  const config = JSON.parse(rawConfig.toString()) as ImageConfig;
  const rootfs = { type: "layers", diff_ids: config.rootfs.diff_ids ?? [] };
  return {
    target: descriptor,
    manifestDescriptor: descriptor,
    manifest,
    rawManifest,
    id: manifest.config.digest,
    config: { ...config, rootfs },
    rawConfig,
  };
}
