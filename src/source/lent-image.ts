import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { dirname, join } from "node:path";
import {
  BuildError,
  type Digest,
  hexOf,
  isDigest,
  type Platform,
  parseReference,
  toBuildError,
} from "../core/index.ts";
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
  const path = `/images/${encodeURIComponent(name)}`;
  const facts = JSON.parse((await wholeAnswer(`${path}/json`, name, signal)).toString()) as { Id?: string };
  const memo = isDigest(facts.Id ?? "")
    ? join(stores.root, "remote", "docker", hexOf(facts.Id as Digest))
    : undefined;
  const known = memo === undefined ? undefined : remembered(memo, stores, platform);
  if (known !== undefined) return known;
  const loaded = await loadArchive(await daemonAnswer(`${path}/get`, name, signal), {
    ...stores,
    platform,
    signal,
  });
  const image = loaded[0]?.image;
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

function socketPath(): string {
  const host = process.env.DOCKER_HOST ?? "";
  if (host === "") return "/var/run/docker.sock";
  if (host.startsWith("unix://")) return host.slice("unix://".length);
  throw new BuildError(
    "unimplemented",
    `docker-daemon: only reaches Docker through a unix socket, and DOCKER_HOST is ${host}`,
    {
      hint: "set DOCKER_HOST=unix:///path, or use docker save and --build-context NAME=oci-layout://DIR",
    },
  );
}

function daemonAnswer(path: string, name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const socket = socketPath();
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socket, path, host: "docker", signal }, (response) => {
      if (response.statusCode === 200) return resolve(response);
      response.resume();
      const missing = response.statusCode === 404;
      const problem = missing
        ? "there is no such image in Docker's store"
        : `Docker answered ${response.statusCode}`;
      reject(
        new BuildError(missing ? "not-found" : "unavailable", `docker-daemon:${name}: ${problem}`, {
          hint: missing ? "`docker images` lists what is there" : undefined,
        }),
      );
    });
    call.on("error", (error) => {
      if (signal.aborted) return reject(error);
      const { code, message } = toBuildError(error);
      reject(
        new BuildError(
          code === "internal" ? "unavailable" : code,
          `docker-daemon:${name}: cannot reach Docker at ${socket}: ${message}`,
          {
            hint: "is Docker running, and may this user reach its socket? DOCKER_HOST names another one",
            cause: error,
          },
        ),
      );
    });
    call.end();
  });
}

async function wholeAnswer(path: string, name: string, signal: AbortSignal): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of await daemonAnswer(path, name, signal)) pieces.push(piece);
  return Buffer.concat(pieces);
}
