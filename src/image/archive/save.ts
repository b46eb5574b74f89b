import type { ContentStore } from "../../content/index.ts";
import {
  BuildError,
  type Bytes,
  type Descriptor,
  type Digest,
  familiarReference,
  familiarRepository,
  formatReference,
  goText,
  hexOf,
  mediaTypes,
  parseReference,
} from "../../core/index.ts";
import { tarEnd, tarHeader, tarPadding } from "../../layer/index.ts";
import { isIndex, orderedDescriptor, parseManifestOrIndex } from "../manifest.ts";
import { readImage } from "../read.ts";
import type { Image } from "../types.ts";
import { blobPath } from "./members.ts";

/**
 * `docker` is what `docker save` writes: manifest.json for every Docker since 1.10, with an OCI layout around it for
 * current ones. `oci` is the layout alone.
 */
export type ArchiveFormat = "docker" | "oci";

/** An image to be saved, with the names it shall have. No names: it is saved by digest alone. */
export interface ArchiveImage {
  readonly target: Descriptor;
  readonly names: readonly string[];
}

/** A member of the archive: bytes, or a blob of the store. */
export type Member = { readonly path: string } & (
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "blob"; readonly digest: Digest; readonly size: number }
);

/**
 * Streams an archive. The same images give the same bytes. Throws when a blob is missing, before the first byte.
 *
 * @param omit blobs that are left out, because the reader has them
 */
export function saveArchive(
  images: readonly ArchiveImage[],
  format: ArchiveFormat,
  content: ContentStore,
  signal?: AbortSignal,
  omit: ReadonlySet<Digest> = new Set(),
): Bytes {
  const members = membersOf(images, format, content);
  const kept = members.filter((member) => member.kind !== "blob" || !omit.has(member.digest));
  return tarOf(kept, content, signal);
}

async function* tarOf(
  members: readonly Member[],
  content: ContentStore,
  signal: AbortSignal | undefined,
): Bytes {
  for (const member of members) {
    const size = member.kind === "bytes" ? member.bytes.length : member.size;
    yield tarHeader({ path: member.path, type: "file", mode: 0o644, uid: 0, gid: 0, mtime: 0 }, size);
    if (member.kind === "bytes") yield member.bytes;
    else yield* content.open(member, signal);
    yield tarPadding(size);
  }
  yield tarEnd;
}

/** What an archive or layout of these images consists of, its index last. */
export function membersOf(
  images: readonly ArchiveImage[],
  format: ArchiveFormat,
  content: ContentStore,
): readonly Member[] {
  // Docker's format has room for one platform of an index; a layout takes the index as it is.
  const chosen = (format === "docker" ? images : []).map(({ target, names }) => ({
    image: readImage(content, target),
    names,
  }));
  const wanted =
    format === "docker"
      ? chosen.map(({ image, names }) => ({ names, target: image.manifestDescriptor }))
      : images;
  const blobs = new Map<Digest, number>();
  for (const { target } of wanted) collectBlobs(target, content, blobs);
  const members: Member[] = [json("oci-layout", { imageLayoutVersion: "1.0.0" })];
  for (const [digest, size] of [...blobs].sort(([a], [b]) => (a < b ? -1 : 1)))
    members.push({ kind: "blob", path: blobPath(digest), digest, size });
  if (format === "docker")
    members.push(
      json(
        "manifest.json",
        chosen.map(({ image, names }) => dockerEntry(image, names)),
      ),
      json("repositories", repositories(chosen)),
    );
  members.push(json("index.json", layoutIndex(wanted)));
  return members;
}

function json(path: string, value: unknown): Member {
  return { kind: "bytes", path, bytes: Buffer.from(goText.json(value)) };
}

/** A descriptor and what it leads to. Manifests that an index names but the store never had are left out. */
function collectBlobs(descriptor: Descriptor, content: ContentStore, found: Map<Digest, number>): void {
  found.set(descriptor.digest, descriptor.size);
  const parsed = parseManifestOrIndex(content.read(descriptor.digest), descriptor.digest);
  if (isIndex(parsed)) {
    for (const child of parsed.manifests)
      if (content.stat(child.digest) !== undefined) collectBlobs(child, content, found);
    return;
  }
  for (const blob of [parsed.config, ...parsed.layers]) {
    if (content.stat(blob.digest) === undefined)
      throw new BuildError(
        "not-found",
        `blob ${blob.digest} of image ${descriptor.digest} is not in the store`,
        {
          hint: "pull or build the image again",
        },
      );
    found.set(blob.digest, blob.size);
  }
}

function layoutIndex(images: readonly ArchiveImage[]): object {
  const manifests = images.flatMap(({ target, names }) => {
    const bare = orderedDescriptor(target);
    if (names.length === 0) return [bare];
    return names.map((name) =>
      orderedDescriptor({ ...target, annotations: { ...target.annotations, ...nameAnnotations(name) } }),
    );
  });
  return { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
}

function nameAnnotations(name: string): Record<string, string> {
  const reference = parseReference(name);
  return {
    "io.containerd.image.name": formatReference(reference),
    ...(reference.tag === undefined ? {} : { "org.opencontainers.image.ref.name": reference.tag }),
  };
}

function dockerEntry(image: Image, names: readonly string[]): object {
  const tags = names.map(parseReference).filter(({ digest }) => digest === undefined);
  return {
    Config: blobPath(image.id),
    RepoTags: tags.length === 0 ? null : tags.map(familiarReference),
    Layers: image.manifest.layers.map((layer) => blobPath(layer.digest)),
  };
}

/** For readers that know neither format: repository and tag to the id of the top layer. */
function repositories(
  images: readonly { readonly image: Image; readonly names: readonly string[] }[],
): object {
  const found: Record<string, Record<string, string>> = {};
  for (const { image, names } of images) {
    const top = image.config.rootfs.diff_ids.at(-1);
    for (const reference of names.map(parseReference)) {
      if (reference.tag === undefined || top === undefined) continue;
      const repository = familiarRepository(reference);
      found[repository] = { ...found[repository], [reference.tag]: hexOf(top) };
    }
  }
  return goText.sortedMap(found);
}
