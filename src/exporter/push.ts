import {
  BuildError,
  type CompressionAlgorithm,
  type Descriptor,
  type Digest,
  defined,
  formatReference,
  mediaTypes,
  type Platform,
  parseReference,
  type Reference,
} from "../core/index.ts";
import {
  encodeIndex,
  encodeManifest,
  type ImageIndex,
  isIndex,
  type Manifest,
  parseManifestOrIndex,
  readRecord,
} from "../image/index.ts";
import type { FetchedManifest, ImageToPush, PushProgress, RegistryClient } from "../registry/index.ts";
import type { CommittedImage } from "./commit.ts";
import type { ExportStores } from "./destination.ts";

export interface PushImageOptions {
  /** For layers that the store has uncompressed, which are those of local builds; gzip when left out. */
  readonly compression?: "uncompressed" | CompressionAlgorithm;
  /** Only the manifest for this platform goes, of an index. */
  readonly platform?: Platform;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PushProgress) => void;
  /** A layer of so many bytes begins to be compressed, or is done with. */
  readonly onCompress?: (diffId: Digest, size: number, done: boolean) => void;
}

export interface PushedImage {
  /** Normalised. */
  readonly name: string;
  /** What the name means at the registry. */
  readonly target: Descriptor;
  /** Blobs that were sent; zero when the registry had all. */
  readonly uploaded: number;
}

/**
 * Pushes the image of the store that has this name to the registry that the name says. Foreign manifests and compressed
 * blobs go as they came; layers of local builds are compressed, once. An index goes with the manifests that are here.
 * The caller holds a lease.
 */
export async function pushImage(
  text: string,
  stores: ExportStores,
  registry: RegistryClient,
  options: PushImageOptions = {},
): Promise<PushedImage> {
  const reference = parseReference(text);
  if (reference.digest !== undefined)
    throw new BuildError("invalid-argument", `cannot push ${JSON.stringify(text)}: a digest is no name`, {
      hint: "push by tag; the digest follows from the image",
    });
  const record = stores.names.get(text);
  if (record === undefined)
    throw new BuildError(
      "not-found",
      `an image does not exist locally with the name: ${formatReference(reference)}`,
      {
        hint: "'stagewright images' lists what there is, 'stagewright tag' gives it the name",
      },
    );
  const { platform } = options;
  const target =
    platform === undefined ? record.target : readRecord(stores.content, record, platform).manifestDescriptor;
  return await send(reference, { target, chosen: record.manifest }, stores, registry, options);
}

/**
 * Pushes an image that a build has just put into the content store, whatever names it has there. With `byDigest` it gets
 * no tag. The caller holds a lease.
 */
export function pushCommitted(
  name: string,
  { target, images }: CommittedImage,
  stores: ExportStores,
  registry: RegistryClient,
  options: PushImageOptions & { readonly byDigest?: boolean } = {},
): Promise<PushedImage> {
  const { domain, path, tag } = parseReference(name);
  const reference = options.byDigest || tag === undefined ? { domain, path } : { domain, path, tag };
  return send(reference, { target, chosen: images[0]!.manifestDescriptor }, stores, registry, options);
}

async function send(
  reference: Reference,
  { target: local, chosen }: { readonly target: Descriptor; readonly chosen: Descriptor },
  stores: ExportStores,
  registry: RegistryClient,
  options: PushImageOptions,
): Promise<PushedImage> {
  const plain = new Map<Digest, Digest>();
  const image = await prepare(local, chosen, stores, options, plain);
  const mountFrom = otherRepositories(reference, stores, plain);
  const { signal, onProgress } = options;
  const { target, uploaded } = await registry.push(reference, image, stores.content, {
    mountFrom,
    ...defined({ signal, onProgress }),
  });
  const name = formatReference(reference);
  if (reference.tag !== undefined) await stores.names.setPushed(name, local.digest, target.digest);
  return { name, target, uploaded };
}

/** What is pushed of an image of the store; `plain` gets the diffIDs of layers that were compressed for it. */
async function prepare(
  target: Descriptor,
  chosen: Descriptor,
  stores: ExportStores,
  options: PushImageOptions,
  plain: Map<Digest, Digest>,
): Promise<ImageToPush> {
  const fetched = read(target, stores);
  const document = parseManifestOrIndex(fetched.bytes, target.digest);
  if (!isIndex(document)) {
    const manifest = await compressedManifest(fetched, document, stores, options, plain);
    return { target: manifest, manifests: [], blobs: blobsOf([manifest]) };
  }
  const here = document.manifests.filter((child) => isComplete(child, stores));
  if (here.length === document.manifests.length)
    return await wholeIndex(fetched, document, stores, options, plain);
  // A registry refuses an index that names what it does not have; one image alone keeps its own digest.
  const [only] = here.length > 1 ? [] : [read(chosen, stores)];
  if (only !== undefined) return { target: only, manifests: [], blobs: blobsOf([only]) };
  const bytes = Buffer.from(
    JSON.stringify({ ...JSON.parse(fetched.bytes.toString("utf8")), manifests: here }),
  );
  const { digest, size } = await stores.content.ingestBytes(bytes);
  const manifests = here.map((child) => read(child, stores));
  const partial = { descriptor: { mediaType: target.mediaType, digest, size }, bytes };
  return { target: partial, manifests, blobs: blobsOf(manifests) };
}

/** An index that is all here; byte for byte, unless layers of its manifests have to be compressed. */
async function wholeIndex(
  fetched: FetchedManifest,
  index: ImageIndex,
  stores: ExportStores,
  options: PushImageOptions,
  plain: Map<Digest, Digest>,
): Promise<ImageToPush> {
  const manifests: FetchedManifest[] = [];
  for (const child of index.manifests) {
    const manifest = read(child, stores);
    const document = parseManifestOrIndex(manifest.bytes, child.digest) as Manifest;
    manifests.push(await compressedManifest(manifest, document, stores, options, plain));
  }
  const blobs = blobsOf(manifests);
  if (manifests.every(({ descriptor }, i) => descriptor.digest === index.manifests[i]?.digest))
    return { target: fetched, manifests, blobs };
  const described = index.manifests.map((child, i) => ({ ...child, ...manifests[i]!.descriptor }));
  const bytes = encodeIndex(described, defined({ annotations: index.annotations }));
  const { digest, size } = await stores.content.ingestBytes(bytes);
  return {
    target: { descriptor: { mediaType: mediaTypes.ociIndex, digest, size }, bytes },
    manifests,
    blobs,
  };
}

function read(descriptor: Descriptor, { content }: ExportStores): FetchedManifest {
  const bytes = content.read(descriptor.digest);
  const { mediaType, digest } = descriptor;
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
}

/** Whether a manifest and all that it names are in the store. */
function isComplete(child: Descriptor, stores: ExportStores): boolean {
  const { content } = stores;
  if (content.stat(child.digest) === undefined) return false;
  const document = parseManifestOrIndex(content.read(child.digest), child.digest);
  if (isIndex(document)) return false;
  return [document.config, ...document.layers].every(({ digest }) => content.stat(digest) !== undefined);
}

/** The manifest with its plain layers compressed; one that has none stays byte for byte. */
async function compressedManifest(
  fetched: FetchedManifest,
  manifest: Manifest,
  stores: ExportStores,
  { compression = "gzip", signal, onCompress }: PushImageOptions,
  plain: Map<Digest, Digest>,
): Promise<FetchedManifest> {
  const isPlain = manifest.layers.some(({ mediaType }) => mediaType === mediaTypes.ociLayer);
  if (compression === "uncompressed" || !isPlain) return fetched;
  const mediaType = compression === "gzip" ? mediaTypes.ociLayerGzip : mediaTypes.ociLayerZstd;
  const layers: Descriptor[] = [];
  for (const layer of manifest.layers) {
    if (layer.mediaType !== mediaTypes.ociLayer) {
      layers.push(layer);
      continue;
    }
    onCompress?.(layer.digest, layer.size, false);
    const blob = await stores.layers.compressed(layer.digest, compression, signal);
    onCompress?.(layer.digest, layer.size, true);
    plain.set(blob.digest, layer.digest);
    layers.push({ ...layer, mediaType, ...blob });
  }
  const bytes = encodeManifest(manifest.config, layers, manifest.annotations);
  const { digest, size } = await stores.content.ingestBytes(bytes);
  return { descriptor: { mediaType: mediaTypes.ociManifest, digest, size }, bytes };
}

/** Configurations and layers of manifests, each once. */
function blobsOf(manifests: readonly FetchedManifest[]): ImageToPush["blobs"] {
  const blobs = manifests.flatMap(({ bytes, descriptor }) => {
    const document = parseManifestOrIndex(bytes, descriptor.digest);
    return isIndex(document) ? [] : [...document.layers, document.config];
  });
  return [...new Map(blobs.map(({ digest, size }) => [digest, { digest, size }])).values()];
}

/**
 * Where else at the same registry a blob may be: in the repositories of the other images here that are named after it,
 * in the form that they have there or as the layer that it was made from. A registry that cannot take it from there
 * wants it sent, and nothing is lost.
 */
function otherRepositories(
  reference: Reference,
  { content, names }: ExportStores,
  plain: ReadonlyMap<Digest, Digest>,
): (digest: Digest) => string | undefined {
  const repositories = new Map<Digest, string>();
  for (const { name, manifest } of names.list()) {
    if (name === undefined || content.stat(manifest.digest) === undefined) continue;
    const { domain, path } = parseReference(name);
    if (domain !== reference.domain || path === reference.path) continue;
    const document = parseManifestOrIndex(content.read(manifest.digest), manifest.digest);
    if (isIndex(document)) continue;
    for (const { digest } of [document.config, ...document.layers]) repositories.set(digest, path);
  }
  return (digest) => repositories.get(digest) ?? repositories.get(plain.get(digest) ?? digest);
}
