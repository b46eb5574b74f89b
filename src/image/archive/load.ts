import { statSync } from "node:fs";
import { basename } from "node:path";
import type { ContentStore } from "../../content/index.ts";
import {
  BuildError,
  type Bytes,
  compressionOfFile,
  type Descriptor,
  type Digest,
  decompressed,
  digestOf,
  fileBytes,
  formatReference,
  hostPlatform,
  isDigest,
  mediaTypes,
  type Platform,
  parseReference,
} from "../../core/index.ts";
import type { LayerStore } from "../../layer/index.ts";
import { parseConfig } from "../config.ts";
import { array, object, optional, parseJson, string, strings } from "../json.ts";
import { encodeManifest, isIndex, parseManifestOrIndex } from "../manifest.ts";
import { checkLayerCount, manifestDescriptorOf, readImage, snapshotOf } from "../read.ts";
import type { Image, ImageConfig, Manifest } from "../types.ts";
import { blobPath, directoryMembers, type Members, spoolTar } from "./members.ts";
import { undoOnFailure } from "./undo.ts";

export interface LoadOptions {
  readonly content: ContentStore;
  readonly layers: LayerStore;
  /** Which image of an index is meant; this machine's when left out. */
  readonly platform?: Platform;
  readonly signal?: AbortSignal;
}

/** An image that an archive brought, with the names that the archive gives it (normalised). */
export interface LoadedImage {
  readonly image: Image;
  readonly names: readonly string[];
}

const annotationName = "io.containerd.image.name";
const annotationRef = "org.opencontainers.image.ref.name";

/**
 * Takes the images of a docker archive, an OCI archive (both also compressed) or an OCI layout directory into the store.
 * Everything is verified: digests, sizes, layers against their diffIDs, and layers' entries. Naming the images is the
 * caller's part. A failure leaves the store as it was.
 *
 * @param input path of a file or directory, or the archive as a stream
 */
export async function loadArchive(
  input: string | Bytes,
  options: LoadOptions,
): Promise<readonly LoadedImage[]> {
  return await undoOnFailure(options, async (stores) => {
    const members = await openMembers(input, stores.content, options.signal);
    try {
      if (members.has("index.json")) return await loadLayout(members, { ...options, ...stores });
      if (members.has("manifest.json")) return await loadDocker(members, { ...options, ...stores });
      throw new BuildError(
        "invalid-argument",
        "not an image archive: neither index.json nor manifest.json is in it",
        {
          hint: members.has("repositories")
            ? "archives of Docker before 1.10 have to be loaded and saved by a newer one"
            : "a root filesystem is taken by `stagewright import`",
        },
      );
    } finally {
      members.dispose();
    }
  });
}

/**
 * Takes one image of an OCI layout directory into the store, verified as by `loadArchive`.
 *
 * @param wanted tag (`org.opencontainers.image.ref.name`), or digest of anything that the layout has
 */
export async function loadFromLayout(
  directory: string,
  wanted: string,
  options: LoadOptions,
): Promise<Image> {
  return await undoOnFailure(options, async (stores) => {
    const members = directoryMembers(directory, stores.content, options.signal);
    const raw = await members.read("index.json");
    if (raw === undefined) throw new BuildError("not-found", `${directory}: index.json is missing`);
    const index = parseManifestOrIndex(raw, `${directory}/index.json`);
    const entries = isIndex(index) ? index.manifests : [];
    const found = entries.find((entry) => entry.digest === wanted || tagOf(entry) === wanted);
    const descriptor = found ?? (isDigest(wanted) ? await insideLayout(members, wanted) : undefined);
    if (descriptor === undefined) {
      const tags = entries.flatMap((entry) => tagOf(entry) ?? []);
      throw new BuildError("not-found", `${directory} has no image called ${JSON.stringify(wanted)}`, {
        hint: tags.length === 0 ? "name it by its digest: PATH@sha256:…" : `it has ${tags.join(", ")}`,
      });
    }
    return await loadDescriptor(members, descriptor, { ...options, ...stores });
  });
}

function tagOf(entry: Descriptor): string | undefined {
  const ref = entry.annotations?.[annotationRef];
  return ref === undefined ? undefined : (/:([^:/]+)$/.exec(ref)?.[1] ?? ref);
}

/** A manifest that the layout's own index does not list. */
async function insideLayout(members: Members, digest: Digest): Promise<Descriptor | undefined> {
  const raw = await members.read(blobPath(digest));
  return raw === undefined ? undefined : { mediaType: mediaTypes.ociManifest, digest, size: raw.length };
}

async function openMembers(
  input: string | Bytes,
  content: ContentStore,
  signal: AbortSignal | undefined,
): Promise<Members> {
  if (typeof input !== "string") return await spoolTar(decompressed(input), content, signal);
  const found = statSync(input, { throwIfNoEntry: false });
  if (found === undefined) throw new BuildError("not-found", `${input}: no such file or directory`);
  if (found.isDirectory()) return directoryMembers(input, content, signal);
  return await spoolTar(decompressed(fileBytes(input, signal)), content, signal);
}

async function loadLayout(members: Members, options: LoadOptions): Promise<readonly LoadedImage[]> {
  const index = parseManifestOrIndex((await members.read("index.json"))!, "index.json");
  if (!isIndex(index)) throw new BuildError("invalid-argument", "index.json: no manifests are listed");
  const tags = await dockerTags(members);
  const loaded = new Map<string, { image: Image; names: Set<string> }>();
  for (const entry of index.manifests) {
    if (entry.platform?.os === "unknown") continue; // an attestation beside its image
    const known = loaded.get(entry.digest);
    const image = known?.image ?? (await loadDescriptor(members, entry, options));
    const names = known?.names ?? new Set(tags.get(image.id));
    const name = nameOf(entry);
    if (name !== undefined) names.add(name);
    loaded.set(entry.digest, { image, names });
  }
  return [...loaded.values()].map(({ image, names }) => ({ image, names: [...names] }));
}

async function loadDescriptor(members: Members, entry: Descriptor, options: LoadOptions): Promise<Image> {
  const { annotations: _, platform: __, ...target } = entry;
  await ingestTree(members, target, options.content, 0);
  const image = readImage(options.content, target, options.platform ?? hostPlatform());
  checkPlainLayers(image.manifest, image.config, options.content);
  await snapshotOf(image, options, options.signal);
  return image;
}

/** A descriptor and all that it leads to. An index may list manifests that the archive does not have. */
async function ingestTree(
  members: Members,
  descriptor: Descriptor,
  content: ContentStore,
  depth: number,
): Promise<void> {
  const path = blobPath(descriptor.digest);
  if (depth > 0 && !members.has(path)) return;
  if (depth > 4) throw new BuildError("invalid-argument", "index.json: indexes are nested too deep");
  const raw = await members.read(path);
  if (raw === undefined) throw new BuildError("not-found", `image archive: ${path} is missing`);
  const actual = digestOf(raw);
  if (actual !== descriptor.digest)
    throw new BuildError("data-loss", `image archive: ${path} has digest ${actual}`);
  const parsed = parseManifestOrIndex(raw, path);
  const below = isIndex(parsed) ? [] : [parsed.config, ...parsed.layers];
  for (const blob of below)
    await members.ingest(blobPath(blob.digest), { digest: blob.digest, size: blob.size });
  if (isIndex(parsed))
    for (const child of parsed.manifests) await ingestTree(members, child, content, depth + 1);
  await content.ingestBytes(raw, { digest: descriptor.digest, size: descriptor.size });
}

/** The name that an index gives a manifest. A bare tag (`latest`) names nothing. */
function nameOf(entry: Descriptor): string | undefined {
  const full = entry.annotations?.[annotationName];
  const ref = entry.annotations?.[annotationRef];
  if (full !== undefined) return normalise(full, `index.json: ${annotationName}`);
  if (ref === undefined || !/[:/]/.test(ref)) return undefined;
  return normalise(ref, `index.json: ${annotationRef}`);
}

function normalise(name: string, where: string): string {
  try {
    return formatReference(parseReference(name));
  } catch (error) {
    throw new BuildError("invalid-argument", `${where}: ${JSON.stringify(name)} is no image name`, {
      cause: error,
    });
  }
}

interface DockerEntry {
  readonly config: string;
  readonly tags: readonly string[];
  readonly layers: readonly string[];
}

async function dockerEntries(members: Members): Promise<readonly DockerEntry[]> {
  const raw = await members.read("manifest.json");
  if (raw === undefined) return [];
  // The top is an array; the parser of foreign JSON takes objects.
  const wrapped = Buffer.concat([Buffer.from('{"images":'), raw, Buffer.from("}")]);
  const images = array(parseJson(wrapped, "manifest.json").images, "manifest.json");
  return images.map((image, i) => {
    const where = `manifest.json: [${i}]`;
    const json = object(image, where);
    return {
      config: string(json.Config, `${where}.Config`),
      tags: optional(json.RepoTags, `${where}.RepoTags`, strings) ?? [],
      layers: optional(json.Layers, `${where}.Layers`, strings) ?? [],
    };
  });
}

/** Names by image id: archives of Docker 25 and later say them in both formats. */
async function dockerTags(members: Members): Promise<ReadonlyMap<string, readonly string[]>> {
  const tags = new Map<string, readonly string[]>();
  for (const entry of await dockerEntries(members)) {
    const config = await members.read(entry.config);
    if (config !== undefined)
      tags.set(
        digestOf(config),
        entry.tags.map((tag) => normalise(tag, "manifest.json")),
      );
  }
  return tags;
}

async function loadDocker(members: Members, options: LoadOptions): Promise<readonly LoadedImage[]> {
  const loaded: LoadedImage[] = [];
  for (const entry of await dockerEntries(members))
    loaded.push({
      image: await loadDockerImage(members, entry, options),
      names: entry.tags.map((tag) => normalise(tag, "manifest.json")),
    });
  return loaded;
}

/** Docker archives have no manifest: it is made, over the uncompressed layers. The configuration stays as it is. */
async function loadDockerImage(members: Members, entry: DockerEntry, options: LoadOptions): Promise<Image> {
  const rawConfig = await members.read(entry.config);
  if (rawConfig === undefined) throw new BuildError("not-found", `image archive: ${entry.config} is missing`);
  checkConfigName(entry.config, rawConfig);
  const config = parseConfig(rawConfig, entry.config);
  const blobs: Descriptor[] = [];
  for (const path of entry.layers)
    blobs.push({ mediaType: mediaTypes.ociLayer, ...(await members.ingest(path)) });
  const configBlob = { mediaType: mediaTypes.ociConfig, digest: digestOf(rawConfig), size: rawConfig.length };
  const packed: Manifest = { schemaVersion: 2, config: configBlob, layers: blobs };
  checkLayerCount(packed, config.rootfs.diff_ids, "manifest.json");
  checkPlainLayers(packed, config, options.content);
  await snapshotOf({ manifest: packed, config }, options, options.signal);
  const tars = config.rootfs.diff_ids.map((digest) => {
    const size = options.content.stat(digest)?.size;
    if (size === undefined)
      throw new BuildError("internal", `the tar of layer ${digest} is not in the store`);
    return { mediaType: mediaTypes.ociLayer, digest, size };
  });
  const rawManifest = encodeManifest(configBlob, tars);
  await options.content.ingestBytes(rawConfig);
  await options.content.ingestBytes(rawManifest);
  return readImage(options.content, manifestDescriptorOf(rawManifest));
}

/** A layer that is not compressed is its own diffID. (Of compressed ones, the layer store checks the content.) */
function checkPlainLayers(manifest: Manifest, config: ImageConfig, content: ContentStore): void {
  config.rootfs.diff_ids.forEach((diffId, i) => {
    const { digest } = manifest.layers[i]!;
    if (digest !== diffId && compressionOfFile(content.path(digest)) === undefined)
      throw new BuildError("data-loss", `image archive: layer ${i + 1} is ${digest} instead of ${diffId}`);
  });
}

function checkConfigName(path: string, raw: Buffer): void {
  const named = /^([0-9a-f]{64})(?:\.json)?$/.exec(basename(path))?.[1];
  if (named === undefined) return;
  const actual = digestOf(raw);
  if (actual !== `sha256:${named}`)
    throw new BuildError(
      "data-loss",
      `image archive: ${path} has digest ${actual}, not the one it is named by`,
    );
}
