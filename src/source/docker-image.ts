import type { ContentStore } from "../content/index.ts";
import {
  BuildError,
  type Descriptor,
  type Digest,
  defined,
  familiarReference,
  formatPlatform,
  formatReference,
  nearest,
  type Platform,
  parseReference,
  platformMatches,
  type Reference,
} from "../core/index.ts";
import {
  type Image,
  isIndex,
  type Manifest,
  parseConfig,
  parseManifestOrIndex,
  readImage,
  snapshotOf,
} from "../image/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { ImageRecord, NameStore } from "../names/index.ts";
import type { Registry, ResolvedImage, TransferOptions } from "../registry/index.ts";
import type { Snapshot } from "../snapshot/index.ts";

/** Where images are looked for and brought to. */
export interface DockerImageStores {
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly names: NameStore;
  readonly registry: Registry;
}

export interface DockerImageOptions {
  readonly platform: Platform;
  /** Ask the registry even when the local store has the name (`--pull`). */
  readonly pull?: boolean;
  readonly signal?: AbortSignal;
}

/** An image that a `FROM` or `--from` names, down to its configuration; its layers come when they are needed. */
export interface DockerImage {
  /** Full normalised form: `docker.io/library/debian:12`. */
  readonly name: string;
  /** Of the index or manifest that the name means: the identity for LLB and cache keys. */
  readonly digest: Digest;
  /** Digest of the manifest for the platform. */
  readonly manifestDigest: Digest;
  /** The configuration as it is, byte for byte. */
  readonly config: Buffer;
  /** Platform that the configuration names; with no index to choose from it may not be the one asked for. */
  readonly platform: Platform;
  /** Which one won. */
  readonly origin: "local" | "registry" | "daemon" | "layout";
  /** The layers as a snapshot of the store: pulls and unpacks what is missing, reporting each blob. */
  materialize(options?: TransferOptions): Promise<Snapshot>;
}

/**
 * Finds an image by the order that everything follows: the local store, then the registry. A local image of another
 * platform does not count, but is named when the registry has none either. The caller holds a begun lease,
 * so that what is fetched here is still there when it is used. Throws `invalid-argument` for what is no reference.
 */
export async function resolveDockerImage(
  text: string,
  stores: DockerImageStores,
  options: DockerImageOptions,
): Promise<DockerImage> {
  const reference = parseReference(text);
  const local = findLocal(reference, stores, options.platform);
  if (local.image !== undefined && !options.pull) return imageInStore(reference, local.image, stores);
  try {
    const { platform, signal } = options;
    const resolved = await stores.registry.resolve(reference, {
      platform,
      content: stores.content,
      ...defined({ signal }),
    });
    return registryImage(resolved, stores);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    if (local.otherPlatforms === undefined)
      throw local.image === undefined ? missing(reference, stores.names, error) : error;
    throw new BuildError(
      error.code,
      `${familiarReference(reference)} is in the local store for ${local.otherPlatforms} only, not for ${formatPlatform(options.platform)}; ${error.message}`,
      {
        hint: `build for it with --platform=${local.otherPlatforms}, or pull the image that fits`,
        cause: error,
      },
    );
  }
}

/** Neither here nor there: the registry's error, with what else can be done. */
function missing(reference: Reference, names: NameStore, error: BuildError): BuildError {
  const absent =
    error.code === "not-found" || error.code === "unauthenticated" || error.code === "permission-denied";
  if (!absent && error.code !== "unavailable") return error;
  const name = familiarReference(reference);
  const near = nearestImage(reference, names);
  const hints = [
    near === undefined ? [] : `did you mean ${near}, which is in the local store?`,
    absent
      ? (error.hint ?? [])
      : [
          "check the network, HTTPS_PROXY and NO_PROXY",
          "without a registry, `stagewright load` reads an image from an archive, and `stagewright bootstrap` makes a base from Debian's packages",
        ],
  ].flat();
  return new BuildError(error.code, `${name} is not in the local store, and ${error.message}`, {
    hint: hints.join("\n"),
    cause: error,
    details: error.details,
  });
}

/** The image of the store whose name without registry and tag is most like it; of several, by the tag. */
function nearestImage(wanted: Reference, names: NameStore): string | undefined {
  const here = names.list().flatMap(({ name }) => (name === undefined ? [] : parseReference(name)));
  const pathOf = ({ path }: Reference) => path.replace(/^library\//, "");
  const path = nearest(pathOf(wanted), here.map(pathOf));
  const alike = here.filter((reference) => pathOf(reference) === path);
  const tag = nearest(
    wanted.tag ?? "",
    alike.map((reference) => reference.tag ?? ""),
  );
  const best = alike.find((reference) => reference.tag === tag) ?? alike[0];
  return best === undefined ? undefined : familiarReference(best);
}

/** The local image for the platform, or what other platform the local one is for. */
function findLocal(
  reference: Reference,
  stores: DockerImageStores,
  platform: Platform,
): { image?: Image; otherPlatforms?: string } {
  const record = recordOf(reference, stores.names);
  if (record === undefined) return {};
  const image = readForPlatform(stores.content, record, platform);
  const have = platformOf(image);
  if (!platformMatches(have, platform))
    return { otherPlatforms: platformsHere(stores.content, record, have) };
  return isWhole(image, stores) ? { image } : {};
}

/** Of an index that was pulled for one platform, a build may have left another's manifest here without its layers. */
function isWhole({ manifest, config }: Image, { content, layers }: DockerImageStores): boolean {
  return config.rootfs.diff_ids.every(
    (diffId, i) =>
      content.stat(diffId) !== undefined ||
      content.stat(manifest.layers[i]!.digest) !== undefined ||
      layers.byDiffId(diffId) !== undefined,
  );
}

/** What `--platform` would take: all that the index has here, or the one that the image is for. */
function platformsHere(content: ContentStore, { target, manifest }: ImageRecord, own: Platform): string {
  if (target.digest === manifest.digest) return formatPlatform(own);
  const document = parseManifestOrIndex(content.read(target.digest), target.digest);
  const here = (isIndex(document) ? document.manifests : []).flatMap(({ digest, platform }) =>
    platform !== undefined && content.stat(digest) !== undefined ? formatPlatform(platform) : [],
  );
  return here.length === 0 ? formatPlatform(own) : here.join(",");
}

/** Under its name, or, where a digest says which image is meant, under any name. */
function recordOf(reference: Reference, names: NameStore): ImageRecord | undefined {
  const { digest } = reference;
  if (digest === undefined) return names.get(formatReference(reference)) ?? recordById(reference, names);
  return names.list().find((record) => record.target.digest === digest || record.manifest.digest === digest);
}

/**
 * An image id, whole or as short as it is printed, has the form of a name of docker.io: `sha256:24c3…`, `24c398e7c056`.
 * As Docker does, names are tried first. An id that several images begin with is none.
 */
function recordById({ domain, path, tag }: Reference, names: NameStore): ImageRecord | undefined {
  if (domain !== "docker.io") return undefined;
  const whole = path === "library/sha256" && tag !== undefined && /^[0-9a-f]{64}$/.test(tag);
  const short = (tag ?? "latest") === "latest" && /^library\/([0-9a-f]{12,64})$/.exec(path)?.[1];
  const id = whole ? tag : short;
  if (!id) return undefined;
  const records = names.list().filter((record) => record.id.startsWith(`sha256:${id}`));
  return new Set(records.map((record) => record.id)).size === 1 ? records[0] : undefined;
}

/** The manifest of an index that fits; failing that, the one that the record was made with. */
function readForPlatform(content: ContentStore, record: ImageRecord, platform: Platform): Image {
  try {
    return readImage(content, record.target, platform);
  } catch (error) {
    const isIndex = record.target.digest !== record.manifest.digest;
    if (!isIndex || !(error instanceof BuildError) || error.code !== "not-found") throw error;
    return readImage(content, record.manifest, platform);
  }
}

function platformOf({ config }: Pick<Image, "config">): Platform {
  const { os, architecture, variant } = config;
  return variant ? { os, architecture, variant } : { os, architecture };
}

/** An image that is in the store, as what a name means. */
export function imageInStore(
  reference: Reference,
  image: Image,
  stores: Pick<DockerImageStores, "content" | "layers">,
  origin: DockerImage["origin"] = "local",
): DockerImage {
  return {
    name: formatReference(reference),
    digest: reference.digest ?? image.target.digest,
    manifestDigest: image.manifestDescriptor.digest,
    config: image.rawConfig,
    platform: platformOf(image),
    origin,
    materialize: ({ signal } = {}) => snapshotOf(image, stores, signal),
  };
}

function registryImage(resolved: ResolvedImage, stores: DockerImageStores): DockerImage {
  const name = formatReference(resolved.reference);
  const manifest = parseManifestOrIndex(resolved.manifest.bytes, name) as Manifest;
  const config = parseConfig(resolved.config.bytes, `${name}: configuration`);
  return {
    name,
    digest: resolved.target.digest,
    manifestDigest: resolved.manifest.descriptor.digest,
    config: resolved.config.bytes,
    platform: resolved.platform,
    origin: "registry",
    async materialize(transfer = {}) {
      const known = config.rootfs.diff_ids.map((diffId) => stores.layers.byDiffId(diffId));
      // Layers that are unpacked already need no blobs.
      if (known.every((id) => id !== undefined)) return { layers: known };
      await stores.registry.pull(resolved, stores.content, transfer);
      return snapshotOf({ manifest, config }, stores, transfer.signal);
    },
  };
}

/** What a pull brought, for naming it. */
export interface PulledImage {
  readonly name: string;
  readonly target: Descriptor;
  readonly record: ImageRecord;
  /** Whether the name meant this very image before. */
  readonly unchanged: boolean;
  /** Of the image; not the one that was asked for where the name means no index. */
  readonly platform: Platform;
}

/**
 * Brings an image from its registry, whole, checks that its layers can be unpacked, and names it (`pull`). The caller holds
 * a begun lease. A name with a digest alone is kept under no tag: the image stays untagged.
 */
export async function pullImage(
  text: string,
  stores: DockerImageStores,
  options: Omit<DockerImageOptions, "pull"> & TransferOptions,
): Promise<PulledImage> {
  const { platform, signal, onProgress } = options;
  const reference = parseReference(text);
  const resolved = await stores.registry.resolve(reference, {
    platform,
    content: stores.content,
    ...defined({ signal }),
  });
  await stores.registry.pull(resolved, stores.content, defined({ signal, onProgress }));
  const image = readImage(stores.content, resolved.manifest.descriptor, platform);
  await snapshotOf(image, stores, signal);
  const { domain, path, tag } = reference;
  const name = tag === undefined ? undefined : formatReference({ domain, path, tag });
  const before = name === undefined ? undefined : stores.names.get(name);
  const record = await stores.names.set(name, {
    target: resolved.target,
    manifest: resolved.manifest.descriptor,
    id: image.id,
  });
  return {
    name: formatReference(reference),
    target: resolved.target,
    record,
    unchanged: before?.target.digest === resolved.target.digest,
    platform: platformOf(image),
  };
}
