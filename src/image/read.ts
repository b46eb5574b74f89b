import type { ContentStore } from "../content/index.ts";
import {
  BuildError,
  type Descriptor,
  type Digest,
  defined,
  digestOf,
  formatPlatform,
  hostPlatform,
  mediaTypes,
  type Platform,
  platformMatches,
} from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { ImageRecord, NewImageRecord } from "../names/index.ts";
import type { LayerId, Snapshot } from "../snapshot/index.ts";
import { parseConfig } from "./config.ts";
import { isIndex, parseManifestOrIndex, selectManifest } from "./manifest.ts";
import type { Image, Manifest } from "./types.ts";

/** Indexes of indexes exist; deeper nesting than this does not. */
const maxNesting = 4;

/**
 * Reads an image of the content store. In an index, the manifest for `platform` (this machine's) is taken.
 * Throws `not-found` for blobs that are not there, `data-loss` for damaged ones.
 */
export function readImage(
  content: ContentStore,
  target: Descriptor,
  platform: Platform = hostPlatform(),
): Image {
  let descriptor = target;
  for (let depth = 0; depth < maxNesting; depth++) {
    const raw = content.read(descriptor.digest);
    const parsed = parseManifestOrIndex(raw, descriptor.digest);
    if (!isIndex(parsed)) return readManifest(content, target, descriptor, parsed, raw);
    descriptor = selectManifest(parsed, platform, descriptor.digest);
  }
  throw new BuildError(
    "invalid-argument",
    `${target.digest}: indexes are nested more than ${maxNesting} deep`,
  );
}

function readManifest(
  content: ContentStore,
  target: Descriptor,
  manifestDescriptor: Descriptor,
  manifest: Manifest,
  rawManifest: Buffer,
): Image {
  const id = manifest.config.digest;
  const rawConfig = content.read(id);
  const config = parseConfig(rawConfig, `configuration ${id}`);
  checkLayerCount(manifest, config.rootfs.diff_ids, manifestDescriptor.digest);
  return { target, manifestDescriptor, manifest, rawManifest, id, config, rawConfig };
}

/** Throws `invalid-argument` when a manifest and its configuration disagree on how many layers there are. */
export function checkLayerCount(manifest: Manifest, diffIds: readonly Digest[], where: string): void {
  if (manifest.layers.length !== diffIds.length)
    throw new BuildError(
      "invalid-argument",
      `${where}: ${manifest.layers.length} layers in the manifest, ${diffIds.length} in the configuration`,
    );
}

/** The image that a name means: of an index the manifest for `platform`, or the one in use when it is left out. */
export function readRecord(content: ContentStore, record: ImageRecord, platform?: Platform): Image {
  if (platform === undefined) return readImage(content, record.manifest);
  const image = readImage(content, record.target, platform);
  const { os, architecture, variant } = image.config;
  const have = variant ? { os, architecture, variant } : { os, architecture };
  if (platformMatches(have, platform)) return image;
  throw new BuildError(
    "not-found",
    `${record.name ?? record.target.digest} is for ${formatPlatform(have)}, not for ${formatPlatform(platform)}`,
  );
}

/** What the name store keeps of an image. */
export function imageRecordOf(image: Image): NewImageRecord {
  return { target: image.target, manifest: image.manifestDescriptor, id: image.id };
}

/** Descriptor of an OCI manifest that is in memory. */
export function manifestDescriptorOf(raw: Uint8Array, mediaType?: string): Descriptor {
  return { mediaType: mediaType ?? mediaTypes.ociManifest, digest: digestOf(raw), size: raw.length };
}

/**
 * The image's layers as a snapshot. Layers that are not in the layer store yet are made from the blobs, base first, and
 * checked against the configuration's diffIDs.
 */
export async function snapshotOf(
  image: Pick<Image, "manifest" | "config">,
  { content, layers }: { readonly content: ContentStore; readonly layers: LayerStore },
  signal?: AbortSignal,
): Promise<Snapshot> {
  const ids: LayerId[] = [];
  for (const [i, diffId] of image.config.rootfs.diff_ids.entries()) {
    signal?.throwIfAborted();
    const plain = content.stat(diffId);
    const blob = plain === undefined ? image.manifest.layers[i]! : { digest: diffId, size: plain.size };
    // Also for a layer that is there: below other layers it may lie differently.
    const id = await layers.fromTar(blob, {
      diffId,
      below: { layers: [...ids] },
      ...defined({ signal }),
    });
    ids.push(id);
  }
  return { layers: ids };
}
