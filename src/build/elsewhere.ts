import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { bytePathOf, nearest } from "../core/index.ts";
import type { StageResult } from "../frontend/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { Snapshot } from "../snapshot/index.ts";

export interface Places {
  /** Directory of the build context. */
  readonly context: string | undefined;
  readonly stages: readonly StageResult[];
  /** A stage's root filesystem, where this build knows it by now. */
  snapshotOf(stage: StageResult): Promise<Snapshot | undefined>;
  readonly layers: LayerStore;
}

/**
 * Tells where a missing source of a COPY exists: at the same path in the context or in a stage, or, unless something
 * better is `known`, under a similar name in the context.
 *
 * @param source path as the instruction has it, from the root of the tree it was looked for in
 */
export async function elsewhere(source: string, known: boolean, places: Places): Promise<string | undefined> {
  const path = source.replace(/^\/+|\/+$/g, "");
  if (path === "" || /[*?[\\]/.test(path)) return undefined;
  const { context } = places;
  if (context !== undefined && existsSync(join(context, path)))
    return `${path} is in the build context: it is copied from there without --from`;
  for (const stage of places.stages) {
    if (!(await has(stage, path, places))) continue;
    const name = stage.name === "" ? String(stage.index) : stage.name;
    return `/${path} is in stage ${name}: copy it with --from=${name}`;
  }
  const near = known || context === undefined ? undefined : nearestIn(context, path);
  return near === undefined ? undefined : `did you mean ${near}?`;
}

/** A stage may wait for the very step that asks: only what is known at once counts. */
const patience = 100;

async function has(stage: StageResult, path: string, { layers, snapshotOf }: Places): Promise<boolean> {
  const known = snapshotOf(stage).catch(() => undefined);
  const snapshot = await Promise.race([known, setTimeout(patience, undefined)]);
  if (snapshot === undefined) return false;
  return (await layers.rootfs(snapshot)).lookup(bytePathOf(path)) !== undefined;
}

function nearestIn(context: string, path: string): string | undefined {
  try {
    const name = nearest(basename(path), readdirSync(join(context, dirname(path))));
    return name === undefined ? undefined : join(dirname(path), name);
  } catch {
    return undefined; // no such directory: nothing is near
  }
}
