import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError, bytePathOf, digestOfFields, hexOf } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { ExecMount } from "../llb/index.ts";
import { type HeldLock, lock, tryLock } from "../names/index.ts";
import type { FoundEntry, Rootfs } from "../snapshot/index.ts";
import { type Gift, giveAway, removeTree } from "../stacking/index.ts";
import { digestOfMount } from "./exec-key.ts";
import type { Ref } from "./ref.ts";

export interface CacheMountDependencies {
  readonly layers: LayerStore;
  /** Root of the store. */
  readonly root: string;
  /** Ends the wait for a cache that another step has locked. */
  readonly signal: AbortSignal;
  /** Caches that the step has already, by name: several mounts of one are the same directory. */
  readonly taken: Map<string, CacheMount>;
}

/** A directory that outlives builds, and the right to use it. */
export interface CacheMount {
  readonly directory: string;
  release(): void;
}

/** What a cache is to start with: an empty directory of an owner and mode, or the content of a stage, image or context. */
interface Beginning {
  /** What tells it from another beginning of the same id. */
  readonly identity: readonly (string | number)[];
  /** Makes it, and says whose the files are to be. */
  make(directory: string): Promise<readonly Gift[]> | readonly Gift[];
}

/**
 * The directory of a cache mount, `cachemounts/<digest of id and beginning>/<n>/fs`: as in BuildKit, mounts of one id that
 * ask for different owners, modes or initial contents have a directory each. Sharing is by flock on it: `shared` steps
 * use it together, `locked` ones wait for each other, `private` ones take the first that nobody uses.
 */
export async function takeCacheMount(
  mount: ExecMount,
  input: Ref | undefined,
  dependencies: CacheMountDependencies,
): Promise<CacheMount> {
  const { cache } = mount;
  if (cache === undefined)
    throw new BuildError("invalid-argument", `the cache mount on ${mount.dest} has no id`);
  const beginning = input === undefined ? emptyDirectory() : await beginningOf(mount, input, dependencies);
  const name = hexOf(digestOfFields("cache mount", cache.id, ...beginning.identity)).slice(0, 32);
  const own = dependencies.taken.get(name);
  if (own !== undefined) return { directory: own.directory, release() {} };
  const parent = join(dependencies.root, "cachemounts", name);
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  const { held, number } = await claim(parent, cache.sharing, dependencies.signal);
  try {
    const directory = join(parent, String(number), "fs");
    if (!existsSync(directory)) await begin(directory, cache.id, beginning, dependencies.signal);
    const taken = { directory, release: () => held.release() };
    dependencies.taken.set(name, taken);
    return taken;
  } catch (error) {
    held.release();
    throw error;
  }
}

/** Makes the directory, which appears whole; steps that share it wait for the first of them to do so. */
async function begin(
  directory: string,
  id: string,
  beginning: Beginning,
  signal: AbortSignal,
): Promise<void> {
  const place = join(directory, "..");
  const making = await lock(`${place}.begin.lock`, "exclusive", signal);
  try {
    if (existsSync(directory)) return;
    // What a killed process left of it.
    await removeTree(place);
    mkdirSync(place, { mode: 0o755 });
    const unfinished = join(place, "unfinished");
    await giveAway(await beginning.make(unfinished));
    writeFileSync(join(place, "..", "id"), id, { mode: 0o600 });
    renameSync(unfinished, directory);
  } finally {
    making.release();
  }
}

async function claim(
  parent: string,
  sharing: NonNullable<ExecMount["cache"]>["sharing"],
  signal: AbortSignal,
): Promise<{ held: HeldLock; number: number }> {
  const file = (number: number): string => join(parent, `${number}.lock`);
  if (sharing === "private")
    for (let number = 0; ; number++) {
      const held = tryLock(file(number), "exclusive");
      if (held !== undefined) return { held, number };
    }
  return { held: await lock(file(0), sharing === "locked" ? "exclusive" : "shared", signal), number: 0 };
}

async function beginningOf(
  mount: ExecMount,
  input: Ref,
  { layers, signal }: CacheMountDependencies,
): Promise<Beginning> {
  const rootfs: Rootfs = input.kind === "tree" ? input.tree.rootfs : await layers.rootfs(input.snapshot);
  const { path, entry } = rootfs.resolve(bytePathOf(mount.selector.replace(/^\/+|\/+$/g, "")));
  if (path !== "" && entry?.type !== "directory")
    throw new BuildError(
      "failed-precondition",
      `${mount.selector}: the cache mount on ${mount.dest} starts with what is no directory`,
    );
  if (rootfs.children(path).length === 0) return emptyDirectory(entry);
  return {
    identity: ["content", await digestOfMount(mount, input, layers)],
    async make(directory) {
      const { copyContent } = await import("./exec-cache-content.ts");
      return copyContent(rootfs, path, directory, signal);
    },
  };
}

function emptyDirectory(like?: FoundEntry): Beginning {
  const { uid, gid, mode } = like ?? { uid: 0, gid: 0, mode: 0o755 };
  return {
    identity: like === undefined ? [] : [uid, gid, mode],
    make(directory) {
      mkdirSync(directory);
      chmodSync(directory, mode);
      return [{ path: bytePathOf(directory), uid, gid, mode }];
    },
  };
}
