import { BuildError, defined, type EventSink } from "../core/index.ts";
import { type ExportResult, type LocalEngine, localEngines, type Output } from "../exporter/index.ts";
import type { Engine } from "./engine.ts";
import type { BuildOptions } from "./options.ts";
import { outputsOf } from "./outputs.ts";
import { internalStep } from "./steps.ts";
import { makesIndex } from "./targets.ts";

/** The container engine that each output goes to, by the output's place; none for those that go elsewhere. */
export type LoadPlan = ReadonlyMap<number, LocalEngine>;

/**
 * Finds the engines before anything is built, and refuses what they cannot take. `load` alone asks for an engine if there
 * is one: without, the local store is where the image is, and a warning says so.
 */
export async function planLoad(
  options: BuildOptions,
  emit: EventSink,
  signal: AbortSignal,
): Promise<LoadPlan> {
  const plan = new Map<number, LocalEngine>();
  for (const [i, output] of outputsOf(options).entries()) {
    if (!isLoaded(output, options)) continue;
    const { findEngine, noEngine } = await localEngines();
    const context = output.type === "docker" ? output.context : undefined;
    const engine = await findEngine({ signal, ...defined({ context }) });
    if (engine !== undefined) {
      refuseIndex(engine, options);
      plan.set(i, engine);
    } else if (output.type === "docker") throw noEngine();
    else warnOfNoEngine(emit);
  }
  return plan;
}

function isLoaded(output: Output, { load }: BuildOptions): boolean {
  return output.type === "docker" ? output.dest === undefined : output.type === "image" && load === true;
}

function refuseIndex({ name, storesIndexes }: LocalEngine, options: BuildOptions): void {
  if (!makesIndex(options) || storesIndexes) return;
  throw new BuildError(
    "invalid-argument",
    "docker exporter does not currently support exporting manifest lists",
    { hint: `${name} keeps images for one platform: leave --load out, or build for one` },
  );
}

function warnOfNoEngine(emit: EventSink): void {
  emit({
    kind: "warning",
    level: 1,
    short: "there is no Docker engine and no containerd here: the image is in the local store alone",
  });
}

/** Brings exported images to their engines. */
export async function loadAll(
  engine: Engine,
  plan: LoadPlan,
  results: readonly ExportResult[],
  emit: EventSink,
  signal: AbortSignal,
): Promise<void> {
  for (const [i, target] of plan) {
    const result = results[i];
    const image = result?.image;
    if (image === undefined) continue;
    await internalStep(emit, `loading into ${target.name}`, async (step) => {
      let total = 0;
      const loaded = await target.load(image, result?.names ?? [], engine.store, {
        signal,
        onProgress(sent) {
          total = sent;
          step.status("sending image", sent);
        },
      });
      if (loaded.sent) step.status("sending image", total, { done: true });
      step.status(`${loaded.sent ? "loaded" : "it has already"} ${loaded.id}`, 0, { done: true });
    });
  }
}
