import {
  BuildError,
  type Digest,
  familiarReference,
  familiarRepository,
  parseReference,
} from "../../core/index.ts";
import { type DockerApi, type DockerEndpoint, dockerApi } from "../../docker/index.ts";
import { saveArchive } from "../../image/archive/index.ts";
import type { CommittedImage } from "../commit.ts";
import type { ExportStores } from "../destination.ts";
import { counted } from "./counted.ts";
import type { Loaded, LoadOptions, LocalEngine } from "./types.ts";

/** Images of the engine that are looked at to find layers that it has; more would cost more than they save. */
const mostImages = 50;

/** The engine at an endpoint; undefined when nobody answers and nobody asked for this very one. */
export async function dockerEngine(
  endpoint: DockerEndpoint,
  signal: AbortSignal | undefined,
): Promise<LocalEngine | undefined> {
  const api = dockerApi(endpoint, signal);
  let info: unknown;
  try {
    info = await api.get("/info");
  } catch (error) {
    const code = error instanceof BuildError ? error.code : undefined;
    const absent = /ENOENT|ECONNREFUSED/.test(((error as Error).cause as Error)?.message ?? "");
    if (!endpoint.explicit && code === "unavailable" && absent) return undefined;
    throw error;
  }
  const storesIndexes = hasImageStore(info);
  return {
    name: `Docker at ${endpoint.name}`,
    storesIndexes,
    load: (image, names, stores, options) =>
      load(dockerApi(endpoint, options.signal), storesIndexes, image, names, stores, options),
  };
}

/** Whether the engine keeps images in containerd, indexes and manifests as they are, and not as layers of its own. */
function hasImageStore(info: unknown): boolean {
  const { DriverStatus } = (info ?? {}) as { DriverStatus?: unknown };
  if (!Array.isArray(DriverStatus)) return false;
  return DriverStatus.some((pair) => Array.isArray(pair) && pair[1] === "io.containerd.snapshotter.v1");
}

/** Brings an image to the engine; what it has already is not sent. */
async function load(
  api: DockerApi,
  storesIndexes: boolean,
  image: CommittedImage,
  names: readonly string[],
  stores: ExportStores,
  { signal, onProgress = () => undefined }: LoadOptions,
): Promise<Loaded> {
  const id = storesIndexes ? image.target.digest : image.images[0]!.id;
  const known = await inspect(api, id);
  if (known !== undefined) {
    for (const name of names) if (!known.tags.has(familiar(name))) await tag(api, id, name);
    return { id, sent: false };
  }
  const images = [{ target: image.target, names }];
  const omit = storesIndexes ? new Set<Digest>() : await layersThere(api, image);
  const archive = (without: ReadonlySet<Digest>) =>
    counted(
      saveArchive(images, storesIndexes ? "oci" : "docker", stores.content, signal, without),
      onProgress,
    );
  try {
    await api.load(archive(omit));
  } catch (error) {
    signal?.throwIfAborted();
    if (omit.size === 0) throw error;
    // Layers may have gone in the meantime, or the engine wants to see every one.
    await api.load(archive(new Set()));
  }
  return { id, sent: true };
}

interface Known {
  readonly tags: ReadonlySet<string>;
  readonly diffIds: readonly string[];
}

async function inspect(api: DockerApi, id: string): Promise<Known | undefined> {
  const found = (await api.get(`/images/${encodeURIComponent(id)}/json`)) as
    | { RepoTags?: unknown; RootFS?: { Layers?: unknown } }
    | undefined;
  return found === undefined
    ? undefined
    : { tags: new Set(textsOf(found.RepoTags)), diffIds: textsOf(found.RootFS?.Layers) };
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/**
 * Tars that need not be in the archive: those of the lowest layers, as far as some image of the engine stands on the same
 * ones. A layer there is known by all that lies below it.
 */
async function layersThere(api: DockerApi, { images }: CommittedImage): Promise<ReadonlySet<Digest>> {
  const { manifest, config } = images[0]!;
  const own = config.rootfs.diff_ids;
  const list = await api.get("/images/json");
  const ids = (Array.isArray(list) ? list : []).flatMap((one: { Id?: unknown }) =>
    typeof one?.Id === "string" ? one.Id : [],
  );
  const shared = await Promise.all(
    ids.slice(0, mostImages).map(async (id) => {
      const theirs = (await inspect(api, id))?.diffIds ?? [];
      const differs = own.findIndex((diffId, i) => diffId !== theirs[i]);
      return differs < 0 ? own.length : differs;
    }),
  );
  const layers = manifest.layers.map(({ digest }) => digest);
  const there = Math.max(0, ...shared);
  // The same tar may lie higher up, too, where it is another layer.
  const needed = new Set(layers.slice(there));
  return new Set(layers.slice(0, there).filter((digest) => !needed.has(digest)));
}

function familiar(name: string): string {
  return familiarReference(parseReference(name));
}

async function tag(api: DockerApi, id: string, name: string): Promise<void> {
  const reference = parseReference(name);
  const query = new URLSearchParams({ repo: familiarRepository(reference), tag: reference.tag ?? "latest" });
  await api.post(`/images/${encodeURIComponent(id)}/tag?${query}`);
}
