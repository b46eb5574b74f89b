import type { ContentStore } from "../content/index.ts";
import {
  BuildError,
  type CompressionAlgorithm,
  type Descriptor,
  type Digest,
  defined,
  mediaTypes,
} from "../core/index.ts";
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

/** How an image is written; what is left out is OCI's, with layers that are not compressed. */
export interface ImageForm {
  readonly compression?: "uncompressed" | CompressionAlgorithm;
  /** The algorithm's own scale; Docker's level when it is left out. */
  readonly level?: number;
  /** Docker's media types instead of OCI's. */
  readonly docker?: boolean;
}

/**
 * Makes manifest and configuration for a stack of layers and puts them, and the layers' tars, into the content store.
 * The same draft and form give the same bytes, and then nothing is written.
 */
export async function imageFromSnapshot(
  draft: ImageDraft,
  stores: { readonly content: ContentStore; readonly layers: LayerStore },
  signal?: AbortSignal,
  form: ImageForm = {},
): Promise<Image> {
  const tars = await Promise.all(draft.snapshot.layers.map((id) => stores.layers.tar(id, signal)));
  const rawConfig = encodeConfig(completeConfig(draft, tars, stores.layers));
  const rawManifest = encodeManifest(
    await stores.content.ingestBytes(rawConfig),
    await layersIn(form, tars, stores.layers, signal),
    draft.annotations,
    form.docker,
  );
  const descriptor = manifestDescriptorOf(rawManifest, form.docker ? mediaTypes.dockerManifest : undefined);
  await stores.content.ingestBytes(rawManifest);
  return imageOf(descriptor, rawManifest, rawConfig);
}

type LayerForm = Pick<Descriptor, "mediaType" | "digest" | "size">;

/** What the manifest says of the layers. */
function layersIn(
  { compression = "uncompressed", level, docker = false }: ImageForm,
  tars: readonly { readonly diffId: Digest; readonly size: number }[],
  layers: LayerStore,
  signal: AbortSignal | undefined,
): Promise<LayerForm[]> {
  const mediaType = layerType(compression, docker);
  return Promise.all(
    tars.map(async ({ diffId, size }) => ({
      mediaType,
      ...(compression === "uncompressed"
        ? { digest: diffId, size }
        : await layers.compressed(diffId, compression, signal, level)),
    })),
  );
}

function layerType(compression: NonNullable<ImageForm["compression"]>, docker: boolean): string {
  if (docker && compression === "zstd")
    throw new BuildError("invalid-argument", "Docker's media types have no layers compressed with zstd");
  if (compression === "zstd") return mediaTypes.ociLayerZstd;
  const [plain, gzip] = docker
    ? [mediaTypes.dockerLayer, mediaTypes.dockerLayerGzip]
    : [mediaTypes.ociLayer, mediaTypes.ociLayerGzip];
  return compression === "gzip" ? gzip : plain;
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
    ...defined({ created }),
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
