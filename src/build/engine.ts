import { join } from "node:path";
import { BuildError, defined, formatPlatform, type Platform, parseReference } from "../core/index.ts";
import type { Executor } from "../executor/index.ts";
import { type Lease, openLease } from "../names/index.ts";
import { createLayerCache, createRefCodec, type LayerCache, type RefCodec } from "../ops/index.ts";
import type { Registry, RegistryClient } from "../registry/index.ts";
import { type DockerImage, openLentImage, resolveDockerImage } from "../source/index.ts";
import { openStore, type Store } from "../store/index.ts";

/** What one build works with. Everything that costs time to open is opened when it is first used. */
export interface Engine {
  readonly store: Store;
  readonly lease: Lease;
  readonly codec: RefCodec;
  readonly layerCache: LayerCache;
  /** Finds an image, once per name and platform. */
  image(reference: string, platform: Platform, signal: AbortSignal): Promise<DockerImage>;
  /** An image that the caller lends (`--build-context`), by what `openLentImage` calls it; once for each platform. */
  lentImage(lent: string, platform: Platform, signal: AbortSignal): Promise<DockerImage>;
  /** The client of all registries. What it fetches or is to push, the caller leases. */
  registry(): Promise<RegistryClient>;
  executor(): Promise<Executor>;
  /** Kills what still runs, at once. */
  kill(): void;
  close(): void;
}

export interface EngineOptions {
  /** `--root`. */
  readonly root?: string;
  /** Base images are asked for at their registry even when the store has them. */
  readonly pull?: boolean;
  /** No registry is asked: what the store has not does not exist. */
  readonly offline?: boolean;
}

/** Opens the engine of one build; `close` gives back what it opened by then. */
export function openEngine(options: EngineOptions): Engine {
  const store = openStore(defined({ root: options.root }));
  const lease = openLease(store.root);
  const codec = createRefCodec(store.layers, lease);
  const images = new Map<string, Promise<DockerImage>>();
  let registry: Promise<RegistryClient> | undefined;
  const openedRegistry = (): Promise<RegistryClient> => {
    registry ??= import("../registry/index.ts").then(({ openRegistry }) => openRegistry());
    return registry;
  };
  let executor: Promise<Executor> | undefined;
  let running: Executor | undefined;

  // What comes from a registry is leased before it comes, what is here already needs no lease to be looked at.
  const leasedRegistry: Registry = {
    async resolve(reference, resolveOptions) {
      if (options.offline) throw new BuildError("not-found", "no registry is asked");
      await lease.begin();
      return (await openedRegistry()).resolve(reference, resolveOptions);
    },
    async *blob(...call) {
      yield* (await openedRegistry()).blob(...call);
    },
    pull: async (...call) => (await openedRegistry()).pull(...call),
    close: () => void registry?.then((opened) => opened.close()),
  };

  return {
    store,
    lease,
    codec,
    layerCache: createLayerCache(store.cache, store.layers),
    image(text, platform, signal) {
      const reference = parseReference(text);
      const key = `${text} ${platform.os}/${platform.architecture}/${platform.variant ?? ""}`;
      let image = images.get(key);
      if (image === undefined) {
        const stores = { ...store, registry: leasedRegistry };
        // A reference with a digest means one image wherever it is.
        const pull = options.pull === true && reference.digest === undefined;
        image = resolveDockerImage(text, stores, { platform, pull, signal }).then((found) => {
          images.set(key.replace(text, `${found.name}@${found.digest}`), Promise.resolve(found));
          return found;
        });
        images.set(key, image);
      }
      return image;
    },
    lentImage(lent, platform, signal) {
      const key = `lent ${lent} ${formatPlatform(platform)}`;
      let image = images.get(key);
      if (image === undefined) {
        image = codec.activate().then(() => openLentImage(lent, store, platform, signal));
        images.set(key, image);
      }
      return image;
    },
    registry: openedRegistry,
    executor() {
      executor ??= import("../executor/index.ts").then(async ({ createExecutor }) => {
        running = await createExecutor({ stateDir: join(store.root, "run") });
        return running;
      });
      return executor;
    },
    kill: () => running?.kill(),
    close() {
      leasedRegistry.close();
      running?.close();
      lease.release();
    },
  };
}
