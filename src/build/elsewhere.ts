import { existsSync, readdirSync } from "node:fs";
import { join, posix } from "node:path";
import { setTimeout } from "node:timers/promises";
import { bytePathOf, nearest } from "../core/index.ts";
import { commandText, type StageGraph } from "../dockerfile/index.ts";
import type { StageResult } from "../frontend/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { Snapshot } from "../snapshot/index.ts";

export interface Places {
  /** Directory of the build context. */
  readonly context: string | undefined;
  readonly stages: readonly StageResult[];
  readonly graphs: readonly StageGraph[];
  /** A stage's root filesystem, where this build knows it by now. */
  snapshotOf(stage: StageResult): Promise<Snapshot | undefined>;
  readonly layers: LayerStore;
}

/**
 * Tells where a missing source of a COPY is: at the same path in the context or in a stage, perhaps in a stage that this
 * build does not run, or, unless the step has a better hint, under a similar name in the context.
 *
 * @param source path as the instruction has it, from the root of the tree it was looked for in
 * @param hint what the step knows by itself
 */
export async function elsewhere(
  source: string,
  hint: string | undefined,
  places: Places,
): Promise<string | undefined> {
  const path = source.replace(/^\/+|\/+$/g, "");
  if (path === "" || /[*?[\\]/.test(path)) return undefined;
  const { context } = places;
  const isThere = context !== undefined && existsSync(join(context, path));
  const near = context === undefined || isThere ? undefined : nearestIn(context, path);
  if (hint?.startsWith("it is excluded")) {
    if (near === undefined) return undefined;
    return `there is no ${path}; did you mean ${near}? Beware that ${hint.replace("it is", "names like it are")}`;
  }
  if (isThere) return `${path} is in the build context: it is copied from there without --from`;
  for (const stage of places.stages) {
    if (!(await has(stage, path, places))) continue;
    const name = stage.name === "" ? String(stage.index) : stage.name;
    return `/${path} is in stage ${name}: copy it with --from=${name}`;
  }
  const climbing = climbingTo(path, places.graphs);
  if (climbing !== undefined)
    return `${climbing} cannot lead out of the context, and means /${path} in it: build with a directory above as the context, or lend that directory by --build-context NAME=DIR and --from=NAME`;
  if (hint !== undefined) return undefined;
  return near === undefined ? mentionOf(path, places.graphs) : `did you mean ${near}?`;
}

/** The source of a COPY or ADD that became this path because it climbs out of its root. */
function climbingTo(path: string, graphs: readonly StageGraph[]): string | undefined {
  for (const { stages } of graphs)
    for (const instruction of stages.flatMap(({ instructions }) => instructions)) {
      if (instruction.kind !== "copy" && instruction.kind !== "add") continue;
      const found = instruction.sources.find(
        (source) => posix.normalize(source).startsWith("../") && posix.resolve("/", source) === `/${path}`,
      );
      if (found !== undefined) return found;
    }
  return undefined;
}

/** A step that names the path may be what makes it. */
function mentionOf(path: string, graphs: readonly StageGraph[]): string | undefined {
  const named = new RegExp(`(?<![\\w./-])/?${path.replace(/[.+^${}()|\\]/g, "\\$&")}(?![\\w.-])`);
  for (const { stages } of graphs)
    for (const { name, index, instructions } of stages) {
      const step = instructions.find((one) => one.kind === "run" && named.test(commandText(one)));
      if (step === undefined) continue;
      const stage = name ?? String(index);
      return `line ${step.range.start.line} in stage ${stage} names ${path}: is --from=${stage} what was meant?`;
    }
  return undefined;
}

/** A stage may wait for the very step that asks: only what is known at once counts. */
const patience = 100;

async function has(stage: StageResult, path: string, { layers, snapshotOf }: Places): Promise<boolean> {
  const known = snapshotOf(stage).catch(() => undefined);
  const snapshot = await Promise.race([known, setTimeout(patience, undefined)]);
  if (snapshot === undefined) return false;
  return (await layers.rootfs(snapshot)).lookup(bytePathOf(path)) !== undefined;
}

/** The path with each part that does not exist replaced by the nearest one that does. */
function nearestIn(context: string, path: string): string | undefined {
  let found = "";
  for (const part of path.split("/")) {
    try {
      const names = readdirSync(join(context, found));
      const name = names.includes(part) ? part : nearest(part, names);
      if (name === undefined) return undefined;
      found = join(found, name);
    } catch {
      return undefined; // no directory: nothing is near
    }
  }
  return found === path ? undefined : found; // a symlink to nowhere
}
