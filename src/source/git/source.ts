import { mkdirSync, rmSync } from "node:fs";
import { digestOfFields, shownUrl } from "../../core/index.ts";
import type { LayerId } from "../../snapshot/index.ts";
import type { RemoteSource, RemoteStores, RemoteWork } from "../remote.ts";
import { openAccess } from "./access.ts";
import { checkOut } from "./checkout.ts";
import { openClone } from "./clone.ts";
import { git } from "./command.ts";
import type { GitRepository } from "./repository.ts";
import { type ResolvedRef, resolveRef } from "./resolve.ts";

/**
 * A commit of a git repository, as a layer. The key is the commit: the remote is asked what a branch or tag means, and
 * nothing is fetched when that is known. Files are owned by root and have the commit's time, so that the same commit
 * gives the same layer everywhere.
 */
export function gitSource(repository: GitRepository, stores: RemoteStores): RemoteSource {
  let resolved: Promise<ResolvedRef> | undefined;
  const resolve = (work: RemoteWork): Promise<ResolvedRef> => {
    resolved ??= withAccess(repository, stores, work, (access) => resolveRef(repository, access));
    return resolved;
  };
  return {
    async key(work) {
      const { ref, object, commit } = await resolve(work);
      const { subdir, keepGitDir = false, submodules = true, mtime = "commit" } = repository;
      const kept = keepGitDir ? [object, ref, shownUrl(repository.remote)] : [];
      const key = digestOfFields("git", 2, commit, subdir, String(submodules), mtime, ...kept);
      return { key, ingredients: [{ name: `commit of ${shownUrl(repository.remote)}`, value: commit }] };
    },
    async layer(work) {
      const found = await resolve(work);
      await stores.begin();
      return withAccess(repository, stores, work, (access) =>
        layerOf(repository, found, access, stores, work),
      );
    },
  };
}

type Access = Awaited<ReturnType<typeof openAccess>>;

async function withAccess<T>(
  repository: GitRepository,
  stores: RemoteStores,
  work: RemoteWork,
  use: (access: Access) => Promise<T>,
): Promise<T> {
  const access = await openAccess(repository, stores, work);
  try {
    return await use(access);
  } finally {
    access.close();
  }
}

async function layerOf(
  repository: GitRepository,
  resolved: ResolvedRef,
  access: Access,
  stores: RemoteStores,
  work: RemoteWork,
): Promise<LayerId> {
  const clone = await openClone(stores.root, access, resolved);
  const target = stores.content.temporary();
  mkdirSync(target, { mode: 0o700 });
  try {
    const mtime = await commitTime(clone.ref, clone.environment);
    const directory = await checkOut(repository, clone, resolved, access, target);
    clone.release();
    return await stores.layers.fromDirectory(directory, {
      withRoot: true,
      ...(repository.mtime === "checkout" ? {} : { mtime }),
      signal: work.signal,
    });
  } finally {
    clone.release();
    rmSync(target, { recursive: true, force: true });
  }
}

async function commitTime(ref: string, environment: Parameters<typeof git>[1]): Promise<number> {
  return Number((await git(["show", "-s", "--format=%ct", `${ref}^{commit}`], environment)).trim());
}
