import { type Digest, defined, type EventSink, type InstructionEvent } from "../core/index.ts";
import { exportResult } from "../exporter/index.ts";
import type { FrontendResult, StepResult } from "../frontend/index.ts";
import type { Engine } from "./engine.ts";
import type { BuildOptions } from "./options.ts";
import { type BuildSolver, draftOf, solveEdge } from "./solve.ts";

/** What became of a step. */
interface Outcome {
  /** The image; undefined for `scratch`. */
  readonly image: Digest | undefined;
  readonly cached: boolean;
}

/**
 * The classic builder's schedule: every instruction of every stage up to the target, one after the other, and for each an
 * image in the store that a container can be run from. Graph, solver and cache are those of every build; only the
 * order in which results are asked for is another one.
 */
export async function solveInOrder(
  engine: Engine,
  solver: BuildSolver,
  result: FrontendResult,
  options: BuildOptions,
  run: { readonly signal: AbortSignal; readonly emit: EventSink },
): Promise<void> {
  const images = new Set(engine.store.names.list().map(({ id }) => id));
  const solved = new Set<Digest | undefined>();
  const stages = new Map<number, Digest | undefined>();
  const steps = [...result.steps, ...labelStep(result, options)];

  for (const [index, step] of steps.entries()) {
    const place = { number: index + 1, total: steps.length };
    run.emit(began(step, place));
    const outcome = await (step.base === undefined ? perform(step) : begin(step, place));
    if (step.state === undefined || outcome === undefined) continue;
    stages.set(step.state.stage, outcome.image);
    run.emit(ended(step, place, outcome));
  }

  /** FROM is done when the triggers of its base are. */
  async function begin(step: StepResult, place: Place): Promise<Outcome | undefined> {
    let image = await baseImage(step);
    for (const trigger of step.triggers) {
      const inner = { ...place, trigger: true };
      run.emit(began(trigger, inner));
      const outcome = await perform(trigger);
      if (outcome === undefined) continue;
      image = outcome.image;
      run.emit(ended(trigger, inner, outcome));
    }
    return { image, cached: false };
  }

  async function baseImage(step: StepResult): Promise<Digest | undefined> {
    const { base } = step;
    if (base?.kind === "scratch") return undefined;
    if (base?.kind === "stage") return stages.get(base.stage);
    if (base?.kind === "image" && engine.store.names.list().some(({ id }) => id === base.id)) return base.id;
    return (await perform(step))?.image;
  }

  /** Solves a step, and makes an image of its stage as it is then. */
  async function perform({ state }: StepResult): Promise<Outcome | undefined> {
    if (state === undefined) return undefined;
    const { edge } = state;
    const last = edge === undefined ? undefined : await solveEdge(solver, edge);
    const draft = await draftOf(solver, state, options);
    const source = { platforms: [{ platform: result.platform, draft }], index: false };
    const exported = await exportResult(source, { type: "image", names: [] }, engine.store, run);
    const image = exported.image?.images[0];
    if (image === undefined) return undefined;
    // An instruction that made nothing but configuration is cached when its image is there.
    const isNew = !solved.has(edge?.vertex.digest);
    const cached = isNew && last !== undefined ? last.cached : images.has(image.id);
    solved.add(edge?.vertex.digest);
    images.add(image.id);
    return { image: image.id, cached: cached && !state.ignoreCache };
  }
}

type Place = Pick<InstructionEvent, "number" | "total" | "trigger">;

function began({ text, state, triggers }: StepResult, place: Place): InstructionEvent {
  const process = defined({ process: state?.process });
  return { kind: "instruction", ...place, text, triggers: triggers.length, ...process };
}

function ended(step: StepResult, place: Place, { image, cached }: Outcome): InstructionEvent {
  return { ...began(step, place), done: { cached, ...defined({ image }) } };
}

/** Labels of the command line, which the classic builder took for one more instruction of the last stage. */
function labelStep({ config, steps }: FrontendResult, { labels = {} }: BuildOptions): StepResult[] {
  const state = steps.findLast((step) => step.state !== undefined)?.state;
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  if (state === undefined || pairs.length === 0) return [];
  const { process: _, ...rest } = state;
  return [{ text: `LABEL ${pairs.join(" ")}`, state: { ...rest, config }, triggers: [] }];
}
