import { BuildError, type Digest, defined, familiarReference, hexOf, parseReference } from "../core/index.ts";
import type { ImageRecord } from "../names/index.ts";
import { isContainerRunning, neededByContainers } from "./containers.ts";
import type { Store } from "./open.ts";
import { type PruneResult, prune } from "./prune.ts";

/** What `rmi` did. */
export interface RemoveResult {
  /** Records that were taken away. */
  readonly untagged: readonly ImageRecord[];
  /** What nothing needed any more. */
  readonly freed: PruneResult;
}

/**
 * Removes an image as `docker rmi` does: by a name, that name alone; by an id, the image with its name. An id of an image
 * with several names needs `force`, which removes them all. What cached steps or running builds need stays on disk.
 */
export async function removeImage(
  store: Store,
  text: string,
  options: { readonly force?: boolean; readonly signal?: AbortSignal } = {},
): Promise<RemoveResult> {
  const image = store.names.resolve(text);
  const all = store.names.list().filter(({ id }) => id === image.id);
  const byName = isName(store, text);
  if (!byName && all.length > 1 && !options.force)
    throw new BuildError("failed-precondition", `image ${text} has several names: ${namesOf(all)}`, {
      hint: "remove one by its name, or all with --force",
    });
  const untagged = byName ? [image] : all;
  if (untagged.length === all.length)
    refuseUsed(store, text, image.id, { byName, force: options.force === true });
  for (const record of untagged) await store.names.remove(record);
  const signal = defined({ signal: options.signal });
  const freed = await prune(store, { cache: "none", untagged: false, ...signal });
  return { untagged, freed };
}

/** As docker: an image in use can lose its last name by force, unless it is named by its id and a container runs. */
function refuseUsed(
  store: Store,
  text: string,
  id: Digest,
  { byName, force }: { readonly byName: boolean; readonly force: boolean },
): void {
  const users = neededByContainers(store.root).filter(({ image }) => image === id);
  const running = users.find((user) => isContainerRunning(store.root, user.id));
  const user = running ?? users[0];
  if (user === undefined || (force && (byName || running === undefined))) return;
  const short = user.id.slice(0, 12);
  const state = running === undefined ? "stopped" : "running";
  throw new BuildError(
    "failed-precondition",
    byName
      ? `conflict: unable to remove repository reference ${JSON.stringify(text)} (must force) - container ${short} is using its referenced image ${hexOf(id).slice(0, 12)}`
      : `conflict: unable to delete ${text} (${running === undefined ? "must be" : "cannot be"} forced) - image is being used by ${state} container ${short}`,
    { hint: `remove the container first: stagewright rm ${short}` },
  );
}

function isName(store: Store, text: string): boolean {
  try {
    return store.names.get(text) !== undefined;
  } catch {
    return false; // 64 hex digits are no name
  }
}

function namesOf(records: readonly ImageRecord[]): string {
  return records
    .map(({ name, id }) => (name === undefined ? id : familiarReference(parseReference(name))))
    .join(", ");
}
