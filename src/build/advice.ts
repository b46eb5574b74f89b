import { type Digest, defined, type EventSink } from "../core/index.ts";
import { type Advice, adviceFor, shownAdvice } from "../dockerfile/index.ts";
import type { FrontendResult } from "../frontend/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { LlbEdge } from "../llb/index.ts";
import type { LayerId } from "../snapshot/index.ts";
import type { BuildOptions } from "./options.ts";
import { type BuildSolver, peek, type SolvedBuild } from "./solve.ts";

/** Advice about a stage, and what the mistake costs in this build. */
export interface PricedAdvice extends Omit<Advice, "cost"> {
  readonly bytes?: number;
  readonly milliseconds?: number;
}

/** How long the steps of a build ran. */
export interface StepTimes {
  readonly emit: EventSink;
  /** Milliseconds by vertex, of those that were executed. */
  readonly of: ReadonlyMap<Digest, number>;
}

/** Hands events on and keeps the times of steps. */
export function keepTimes(emit: EventSink): StepTimes {
  const times = new Map<Digest, number>();
  return {
    of: times,
    emit(event) {
      if (event.kind === "vertex" && !event.internal && !event.cached && event.completed !== undefined)
        times.set(event.digest, event.completed - (event.started ?? event.completed));
      emit(event);
    },
  };
}

/** Whether a step of the Dockerfile was executed; reading the context is none. */
export function ranSteps({ definition: { graph, made } }: FrontendResult, times: StepTimes): boolean {
  if (times.of.size === 0) return false;
  const steps = graph.needed.flatMap((index) => graph.stages[index]!.instructions);
  return steps.some((step) => times.of.has(made(step)?.vertex.digest as Digest));
}

/** What is worth saying about the stages of a build that ran something, each with its price where that is known. */
export async function pricedAdvice(
  { definition, historyVertices }: FrontendResult,
  { draft }: SolvedBuild,
  solver: BuildSolver,
  layers: LayerStore,
  times: StepTimes,
  { buildArgs }: BuildOptions,
): Promise<PricedAdvice[]> {
  const { graph, dockerfile, made } = definition;
  const sizeOf = (ids: readonly LayerId[]) =>
    ids.reduce((sum, id) => sum + (layers.record(id)?.contentSize ?? 0), 0);
  const image = draft.snapshot.layers;
  const ofBase = image.slice(0, Math.max(image.length - historyVertices.filter(Boolean).length, 0));
  const found = shownAdvice(
    adviceFor(graph, sizeOf(image)),
    dockerfile,
    buildArgs?.BUILDKIT_DOCKERFILE_CHECK,
  );
  return Promise.all(found.map(async ({ cost, ...advice }) => ({ ...advice, ...(await price(cost)) })));

  async function price(cost: Advice["cost"]): Promise<Pick<PricedAdvice, "bytes" | "milliseconds">> {
    switch (cost?.kind) {
      case undefined:
        return {};
      case "image":
        return { bytes: sizeOf(image) };
      case "base":
        return { bytes: sizeOf(ofBase) };
      case "layer": {
        const own = await lastLayer(solver, made(cost.instruction));
        return own === undefined ? {} : { bytes: sizeOf([own]) };
      }
      case "time": {
        const edge = made(cost.instruction);
        const milliseconds = edge === undefined ? undefined : times.of.get(edge.vertex.digest);
        return defined({ milliseconds });
      }
    }
  }
}

async function lastLayer(solver: BuildSolver, edge: LlbEdge | undefined): Promise<LayerId | undefined> {
  const ref = edge === undefined ? undefined : await peek(solver, edge);
  return ref?.kind === "snapshot" ? ref.snapshot.layers.at(-1) : undefined;
}
