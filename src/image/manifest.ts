import {
  BuildError,
  type Descriptor,
  type Digest,
  defined,
  formatPlatform,
  goText,
  mediaTypes,
  type Platform,
  parseDigest,
  platformMatches,
} from "../core/index.ts";
import { array, type JsonObject, object, optional, parseJson, size, string, strings } from "./json.ts";
import type { ImageIndex, Manifest } from "./types.ts";

/** Parses what a registry, an archive or the store says is an index or a manifest. Throws `invalid-argument`. */
export function parseManifestOrIndex(bytes: Uint8Array, where: string): Manifest | ImageIndex {
  const json = parseJson(bytes, where);
  if (json.schemaVersion !== 2)
    throw new BuildError(
      "unimplemented",
      `${where}: schemaVersion ${JSON.stringify(json.schemaVersion)} is not supported`,
      { hint: "images of schema version 1 have to be pushed anew by a current tool" },
    );
  const mediaType = optional(json.mediaType, `${where}: mediaType`, string);
  const annotations = optional(json.annotations, `${where}: annotations`, stringMap);
  const common = {
    schemaVersion: 2 as const,
    ...defined({ mediaType, annotations }),
  };
  if (json.manifests !== undefined && json.config !== undefined)
    throw new BuildError("invalid-argument", `${where}: both an index and a manifest`);
  if (json.manifests !== undefined)
    return { ...common, manifests: descriptors(json.manifests, `${where}: manifests`) };
  return {
    ...common,
    config: parseDescriptor(json.config, `${where}: config`),
    layers: descriptors(json.layers ?? [], `${where}: layers`),
  };
}

/** Tells an index from a manifest. */
export function isIndex(value: Manifest | ImageIndex): value is ImageIndex {
  return "manifests" in value;
}

/** Whether a media type is that of an index, OCI's or Docker's. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerManifestList;
}

function descriptors(value: unknown, where: string): readonly Descriptor[] {
  return array(value, where).map((item, i) => parseDescriptor(item, `${where}[${i}]`));
}

/** Parses a descriptor of foreign JSON. */
function parseDescriptor(value: unknown, where: string): Descriptor {
  const json = object(value, where);
  const annotations = optional(json.annotations, `${where}.annotations`, stringMap);
  const platform = optional(json.platform, `${where}.platform`, parsePlatformObject);
  const urls = optional(json.urls, `${where}.urls`, strings);
  const artifactType = optional(json.artifactType, `${where}.artifactType`, string);
  return {
    mediaType: optional(json.mediaType, `${where}.mediaType`, string) ?? "",
    digest: parseDigest(json.digest, `${where}.digest`),
    size: size(json.size, `${where}.size`),
    ...defined({ annotations, platform, urls, artifactType }),
  };
}

function parsePlatformObject(value: unknown, where: string): Platform {
  const json: JsonObject = object(value, where);
  const variant = optional(json.variant, `${where}.variant`, string);
  const version = optional(json["os.version"], `${where}["os.version"]`, string);
  const features = optional(json["os.features"], `${where}["os.features"]`, strings);
  return {
    os: optional(json.os, `${where}.os`, string) ?? "",
    architecture: optional(json.architecture, `${where}.architecture`, string) ?? "",
    ...(variant ? { variant } : {}),
    ...(version ? { "os.version": version } : {}),
    ...(features ? { "os.features": features } : {}),
  };
}

function stringMap(value: unknown, where: string): Readonly<Record<string, string>> {
  const map = object(value, where);
  for (const [key, item] of Object.entries(map)) string(item, `${where}[${JSON.stringify(key)}]`);
  return map as Readonly<Record<string, string>>;
}

/**
 * The manifest of an index that serves `platform`. A manifest without platform serves any; attestations serve none.
 * Throws `not-found` with the platforms that there are.
 */
export function selectManifest(index: ImageIndex, platform: Platform, where: string): Descriptor {
  const candidates = index.manifests.filter((one) => !isAttestation(one) && one.platform?.os !== "unknown");
  const exact = candidates.find(
    (one) => one.platform !== undefined && platformMatches(one.platform, platform),
  );
  const chosen = exact ?? candidates.find((one) => one.platform === undefined);
  if (chosen !== undefined) return chosen;
  const offered = candidates.flatMap((one) => (one.platform ? [formatPlatform(one.platform)] : []));
  throw new BuildError("not-found", `${where}: no match for platform ${formatPlatform(platform)}`, {
    hint: offered.length === 0 ? "the index is empty" : `it has ${offered.join(", ")}`,
  });
}

function isAttestation(descriptor: Descriptor): boolean {
  return descriptor.annotations?.["vnd.docker.reference.type"] === "attestation-manifest";
}

/** The bytes of a manifest as BuildKit writes them; with `docker` by Docker's own media types. */
export function encodeManifest(
  config: { readonly digest: Digest; readonly size: number },
  layers: readonly Pick<Descriptor, "mediaType" | "digest" | "size">[],
  annotations: Readonly<Record<string, string>> = {},
  docker = false,
): Buffer {
  const [manifestType, configType] = docker
    ? [mediaTypes.dockerManifest, mediaTypes.dockerConfig]
    : [mediaTypes.ociManifest, mediaTypes.ociConfig];
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: configType, digest: config.digest, size: config.size },
    layers: layers.length === 0 ? null : layers.map((layer) => orderedDescriptor(layer)),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  return Buffer.from(goText.json(manifest, 2));
}

/** A descriptor with its keys in the order of Go's struct. */
export function orderedDescriptor(descriptor: Descriptor): Descriptor {
  const { mediaType, digest, size, urls, annotations, platform, artifactType } = descriptor;
  return {
    mediaType,
    digest,
    size,
    ...defined({ urls, annotations, platform, artifactType }),
  };
}
