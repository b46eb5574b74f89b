import type { ContentStore } from "../content/index.ts";
import {
  BuildError,
  collect,
  type Descriptor,
  type Digest,
  defined,
  formatReference,
  hostPlatform,
  mediaTypes,
  type Platform,
  type Reference,
  verified,
} from "../core/index.ts";
import { isIndex, type Manifest, parseConfig, selectManifest } from "../image/index.ts";
import { streamBlob } from "./blob.ts";
import type { Endpoint } from "./endpoint.ts";
import { fetchManifest, headManifest, maxManifestSize, parse } from "./manifest.ts";
import type { Requests } from "./requests.ts";
import type { FetchedManifest, ResolvedImage, ResolveOptions } from "./types.ts";

/** An index in an index in an index; nobody means more. */
const maxIndexDepth = 3;

/** Finds an image at one endpoint, down to its configuration. */
export async function resolveAt(
  requests: Requests,
  endpoint: Endpoint,
  reference: Reference,
  options: ResolveOptions,
): Promise<ResolvedImage> {
  const { platform = hostPlatform(), content, signal } = options;
  const what = formatReference(reference);
  const byDigest = (digest: Digest): Promise<FetchedManifest> =>
    keptManifest(content, digest, what) ?? fetchAndKeep(digest);
  const fetchAndKeep = async (tagOrDigest: string): Promise<FetchedManifest> => {
    const fetched = await fetchManifest(requests, endpoint, tagOrDigest, what, signal);
    await content?.ingestBytes(fetched.bytes, fetched.descriptor);
    return fetched;
  };
  const target = await fetchTarget();

  const indexes: FetchedManifest[] = [];
  let found = target;
  let document = parse(found.bytes, what);
  while (isIndex(document)) {
    indexes.push(found);
    if (indexes.length > maxIndexDepth)
      throw new BuildError("data-loss", `${what}: more than ${maxIndexDepth} indexes in one another`);
    const chosen = selectManifest(document, platform, what);
    found = await byDigest(chosen.digest);
    if (chosen.size !== found.descriptor.size)
      throw new BuildError("data-loss", `${what}: the index gives a wrong size for ${chosen.digest}`);
    document = parse(found.bytes, what);
  }
  checkManifest(document, what);
  const config = await readConfig(document.config);
  const parsed = parseConfigOf(config, what);
  if (parsed.rootfs.diff_ids.length !== document.layers.length)
    throw new BuildError(
      "data-loss",
      `${what}: ${document.layers.length} layers in the manifest, ${parsed.rootfs.diff_ids.length} in the configuration`,
    );
  return {
    reference,
    target: target.descriptor,
    indexes,
    manifest: found,
    config: { descriptor: document.config, bytes: config },
    platform: platformOf(parsed),
    layers: document.layers,
  };

  async function fetchTarget(): Promise<FetchedManifest> {
    if (reference.digest !== undefined) return byDigest(reference.digest);
    const tag = reference.tag ?? "latest";
    if (content === undefined) return fetchAndKeep(tag);
    const digest = await headManifest(requests, endpoint, tag, signal);
    return (digest === undefined ? undefined : keptManifest(content, digest, what)) ?? fetchAndKeep(tag);
  }

  async function readConfig(descriptor: Descriptor): Promise<Buffer> {
    if (content?.stat(descriptor.digest) !== undefined) return content.read(descriptor.digest);
    if (descriptor.size > maxManifestSize)
      throw new BuildError(
        "resource-exhausted",
        `${what}: configuration is larger than ${maxManifestSize} bytes`,
      );
    const transfer = defined({ signal });
    const stream = streamBlob(requests, endpoint, descriptor, transfer);
    const bytes = await collect(verified(stream, descriptor), maxManifestSize, `${what}: configuration`);
    await content?.ingestBytes(bytes, descriptor);
    return bytes;
  }
}

/** A manifest that the store has already. */
function keptManifest(
  content: ContentStore | undefined,
  digest: Digest,
  what: string,
): Promise<FetchedManifest> | undefined {
  if (content?.stat(digest) === undefined) return undefined;
  const bytes = content.read(digest);
  const document = parse(bytes, what);
  const mediaType = document.mediaType ?? (isIndex(document) ? mediaTypes.ociIndex : mediaTypes.ociManifest);
  return Promise.resolve({ descriptor: { mediaType, digest, size: bytes.length }, bytes });
}

const layerTypes: ReadonlySet<string> = new Set([
  mediaTypes.ociLayer,
  mediaTypes.ociLayerGzip,
  mediaTypes.ociLayerZstd,
  mediaTypes.dockerLayer,
  mediaTypes.dockerLayerGzip,
  "application/vnd.docker.image.rootfs.diff.tar.zstd",
]);

/** Refuses what is not an image, and layers that the registry itself does not have. */
function checkManifest(manifest: Manifest, what: string): void {
  const { mediaType } = manifest.config;
  if (mediaType !== mediaTypes.ociConfig && mediaType !== mediaTypes.dockerConfig)
    throw new BuildError(
      "failed-precondition",
      `${what} is not a container image but ${JSON.stringify(mediaType)}`,
    );
  for (const layer of manifest.layers) {
    if (layerTypes.has(layer.mediaType)) continue;
    const foreign = /foreign|nondistributable/.test(layer.mediaType);
    throw new BuildError(
      "unimplemented",
      foreign
        ? `${what}: layer ${layer.digest} is not distributed by registries (${layer.mediaType})`
        : `${what}: layer ${layer.digest} has the unknown media type ${JSON.stringify(layer.mediaType)}`,
      {
        hint: foreign
          ? "such layers are parts of Windows images"
          : "it is neither a tar nor a compressed tar",
      },
    );
  }
}

function parseConfigOf(bytes: Buffer, what: string): ReturnType<typeof parseConfig> {
  try {
    return parseConfig(bytes, `${what}: configuration`);
  } catch (error) {
    if (error instanceof BuildError && error.code === "invalid-argument")
      throw new BuildError("data-loss", error.message, { cause: error });
    throw error;
  }
}

function platformOf(config: ReturnType<typeof parseConfig>): Platform {
  const { os, architecture, variant } = config;
  return variant ? { os, architecture, variant } : { os, architecture };
}
