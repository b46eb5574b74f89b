import type { Executor, Mount } from "../executor/index.ts";
import type { LayerStore } from "../layer/index.ts";
import { type ExecMount, type ExecOp, emptyInput } from "../llb/index.ts";
import type { Session } from "../session/index.ts";
import type { JobContext } from "../solver/index.ts";
import { type CacheMount, takeCacheMount } from "./exec-cache-mount.ts";
import { agentMount, secretMount } from "./exec-lent.ts";
import { materialise } from "./exec-tree.ts";
import type { Ref } from "./ref.ts";

export interface MountDependencies {
  readonly layers: LayerStore;
  /** Root of the store. */
  readonly root: string;
  readonly executor: Executor;
  readonly context: JobContext;
  readonly session: Session;
}

/** What is mounted beside the root filesystem, until `release`. */
export interface PreparedMounts {
  readonly mounts: readonly Mount[];
  release(): void;
}

/** Makes the sources of a step's mounts ready: parents come before what is mounted inside them. */
export async function prepareMounts(
  op: ExecOp,
  inputs: readonly Ref[],
  dependencies: MountDependencies,
): Promise<PreparedMounts> {
  const releases: (() => void)[] = [];
  const release = (): void => {
    for (const each of releases.splice(0)) each();
  };
  try {
    const mounts: Mount[] = [];
    const taken = new Map<string, CacheMount>();
    // Steps that lock several caches take them in the same order, or they could wait for each other.
    const ordered = [...op.mounts].sort((a, b) => compareText(a.cache?.id ?? "", b.cache?.id ?? ""));
    for (const mount of ordered) {
      if (mount.dest === "/") continue;
      const target = mount.dest.startsWith("/") ? mount.dest : `${op.meta.cwd}/${mount.dest}`;
      const prepared = await prepareMount(mount, target, inputs, { ...dependencies, taken }, releases);
      if (prepared !== undefined) mounts.push(prepared);
    }
    mounts.sort((a, b) => compareText(a.target, b.target));
    return { mounts, release };
  } catch (error) {
    release();
    throw error;
  }
}

async function prepareMount(
  mount: ExecMount,
  target: string,
  inputs: readonly Ref[],
  dependencies: MountDependencies & { readonly taken: Map<string, CacheMount> },
  releases: (() => void)[],
): Promise<Mount | undefined> {
  const input = mount.input === emptyInput ? undefined : inputs[mount.input];
  switch (mount.type) {
    case "tmpfs":
      return {
        type: "tmpfs",
        target,
        readonly: mount.readonly,
        ...(mount.tmpfs?.size ? { sizeBytes: mount.tmpfs.size } : {}),
      };
    case "cache": {
      const cache = await takeCacheMount(mount, input, {
        ...dependencies,
        signal: dependencies.context.signal,
      });
      releases.push(cache.release);
      return { type: "bind", source: cache.directory, target, readonly: mount.readonly };
    }
    case "bind":
      return {
        type: "overlay",
        lowers: await lowersOf(input, dependencies),
        source: mount.selector === "" ? "/" : mount.selector,
        target,
        readonly: mount.readonly,
      };
    case "secret":
      return secretMount(mount, target, dependencies.session, dependencies.context.signal);
    case "ssh": {
      const agent = await agentMount(mount, target, dependencies.session, dependencies.executor);
      if (agent !== undefined) releases.push(agent.release);
      return agent?.mount;
    }
  }
}

async function lowersOf(ref: Ref | undefined, dependencies: MountDependencies): Promise<string[]> {
  if (ref === undefined) return [];
  if (ref.kind === "tree") return [materialise(ref.tree, dependencies.executor)];
  return dependencies.layers.directories(ref.snapshot, dependencies.context.signal);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
