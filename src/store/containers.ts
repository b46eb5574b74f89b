import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Digest, isDigest, namesIn } from "../core/index.ts";
import { tryLock } from "../names/index.ts";
import { mentionedIn } from "./references.ts";

/** What a container needs of the store; it is kept below `containers/`, a directory each. */
export interface ContainerNeeds {
  readonly id: string;
  /** Id of its image. */
  readonly image: Digest | undefined;
  readonly layers: ReadonlySet<string>;
  readonly blobs: ReadonlySet<Digest>;
}

/** What the containers of a store need, running or not. */
export function neededByContainers(root: string): readonly ContainerNeeds[] {
  return namesIn(join(root, "containers")).flatMap((id) => {
    let config: { readonly imageId?: unknown };
    try {
      config = JSON.parse(readFileSync(join(root, "containers", id, "config.json"), "utf8"));
    } catch {
      return []; // being removed
    }
    const image = typeof config.imageId === "string" && isDigest(config.imageId) ? config.imageId : undefined;
    return [{ id, image, ...mentionedIn(config) }];
  });
}

/** Whether a living process runs a container. */
export function isContainerRunning(root: string, id: string): boolean {
  const file = join(root, "containers", id, "lock");
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return false;
  const held = tryLock(file, "shared");
  held?.release();
  return held === undefined;
}
