import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError, bytePathOf, digestOfFields, hexOf } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { ExecMount } from "../llb/index.ts";
import { type HeldLock, lock, tryLock } from "../names/index.ts";
import { type Ref, snapshotOf } from "./ref.ts";

export interface CacheMountDependencies {
  readonly layers: Pick<LayerStore, "rootfs">;
  /** Root of the store. */
  readonly root: string;
  /** Ends the wait for a cache that another step has locked. */
  readonly signal: AbortSignal;
}

/** A directory that outlives builds, and the right to use it. */
export interface CacheMount {
  readonly directory: string;
  release(): void;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/**
 * The directory of a cache mount, `cachemounts/<digest of id and owner>/<n>/fs`: as in BuildKit, mounts of one id that ask
 * for different owners or modes have a directory each. Sharing is by flock on it: `shared` steps
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
  const owner = input === undefined ? undefined : await ownerOf(mount, input, dependencies);
  const asked = owner === undefined ? [] : [owner.uid, owner.gid, owner.mode];
  const name = hexOf(digestOfFields("cache mount", cache.id, ...asked)).slice(0, 32);
  const parent = join(dependencies.root, "cachemounts", name);
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  const { held, number } = await claim(parent, cache.sharing, dependencies.signal);
  const release = (): void => held.release();
  try {
    const directory = join(parent, String(number), "fs");
    if (statSync(directory, { throwIfNoEntry: false }) === undefined) {
      create(directory, owner ?? { uid: 0, gid: 0, mode: 0o755 });
      writeFileSync(join(parent, "id"), cache.id, { mode: 0o600 });
    }
    return { directory, release };
  } catch (error) {
    release();
    throw error;
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

/** The owner and mode that a cache is to start with: those of the directory that its input is. */
async function ownerOf(
  mount: ExecMount,
  input: Ref,
  { layers }: CacheMountDependencies,
): Promise<Owner | undefined> {
  const rootfs = await layers.rootfs(snapshotOf(input, `the cache mount on ${mount.dest}`));
  const { path, entry } = rootfs.resolve(bytePathOf(mount.selector.replace(/^\/+|\/+$/g, "")));
  if (rootfs.children(path).length > 0)
    throw new BuildError(
      "unimplemented",
      `a cache mount that starts with the content of an image or stage is not supported yet`,
      {
        hint: `the mount on ${mount.dest} has a from`,
      },
    );
  return entry;
}

function create(directory: string, owner: Owner): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  chownSync(directory, owner.uid, owner.gid);
  chmodSync(directory, owner.mode);
}
