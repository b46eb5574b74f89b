import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BuildError, type Digest, hexOf, isDigest, type Platform, parseReference } from "../core/index.ts";
import { dockerApi, dockerEndpoint } from "../docker/index.ts";
import { loadArchive, loadFromLayout } from "../image/archive/index.ts";
import { type Image, readImage } from "../image/index.ts";
import { type DockerImage, type DockerImageStores, imageInStore } from "./docker-image.ts";

type Stores = Omit<DockerImageStores, "registry"> & { readonly root: string };

/**
 * An image that the caller lends: `oci-layout:TAG-OR-DIGEST PATH`, or `docker-daemon:NAME` from Docker's own store. It is
 * brought into this store without a name. The caller holds a begun lease.
 */
export async function openLentImage(
  lent: string,
  stores: Stores,
  platform: Platform,
  signal: AbortSignal,
): Promise<DockerImage> {
  const colon = lent.indexOf(":");
  const [kind, rest] = [lent.slice(0, colon), lent.slice(colon + 1)];
  if (kind === "docker-daemon") {
    const image = await fromDaemon(rest, stores, platform, signal);
    return imageInStore(parseReference(rest), image, stores, "daemon");
  }
  const space = rest.indexOf(" ");
  const [wanted, directory] = [rest.slice(0, space), rest.slice(space + 1)];
  const image = await loadFromLayout(directory, wanted, { ...stores, platform, signal });
  // The name is only for messages: what it is follows from the digest.
  return imageInStore(parseReference("layout"), image, stores, "layout");
}

/** Docker sends the whole image; what was sent once is known by the image's id. */
async function fromDaemon(
  name: string,
  stores: Stores,
  platform: Platform,
  signal: AbortSignal,
): Promise<Image> {
  const docker = dockerApi(dockerEndpoint(undefined, process.env), signal);
  const path = `/images/${encodeURIComponent(name)}`;
  const { Id: id } = ((await docker.get(`${path}/json`)) ?? {}) as { Id?: unknown };
  if (typeof id !== "string")
    throw new BuildError("not-found", `docker-daemon:${name}: there is no such image in Docker's store`, {
      hint: "`docker images` lists what is there",
    });
  const memo = isDigest(id) ? join(stores.root, "remote", "docker", hexOf(id)) : undefined;
  const known = memo === undefined ? undefined : remembered(memo, stores, platform);
  if (known !== undefined) return known;
  const archive = await docker.download(`${path}/get`);
  const loaded = archive && (await loadArchive(archive, { ...stores, platform, signal }));
  const image = loaded?.[0]?.image;
  if (image === undefined) throw new BuildError("data-loss", `Docker sent no image for ${name}`);
  if (memo !== undefined) {
    mkdirSync(dirname(memo), { recursive: true, mode: 0o700 });
    writeFileSync(memo, image.manifestDescriptor.digest, { mode: 0o600 });
  }
  return image;
}

function remembered(memo: string, { content, layers }: Stores, platform: Platform): Image | undefined {
  try {
    const digest = readFileSync(memo, "utf8") as Digest;
    const size = content.stat(digest)?.size;
    if (size === undefined) return undefined;
    const image = readImage(content, { mediaType: "", digest, size }, platform);
    return image.config.rootfs.diff_ids.every((diffId) => layers.byDiffId(diffId) !== undefined)
      ? image
      : undefined;
  } catch {
    return undefined; // nothing is known, or part of it was pruned
  }
}
