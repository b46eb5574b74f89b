import { digestOf } from "../core/index.ts";
import type { DockerfileStages, Stage, StageGraph } from "../dockerfile/index.ts";
import type { LlbEdge } from "../llb/index.ts";
import type { ImageConfig } from "./image-config.ts";
import type { Origins } from "./origins.ts";
import type { StageState } from "./stage-state.ts";
import { rootStage, type StepObserver } from "./stages.ts";
import type { StepBase, StepResult, StepState } from "./types.ts";

/** What an instruction made of its stage, before the graph has one object for each vertex. */
interface Seen {
  readonly stage: Stage;
  readonly state: StageState;
  readonly how: Parameters<StepObserver>[2];
}

/** Watches the conversion of stages and tells afterwards what each instruction gave. */
export interface StepCollector {
  readonly observe: StepObserver;
  edges(): readonly (LlbEdge | undefined)[];
  results(finish: Finish): readonly StepResult[];
}

/** How a state of a stage becomes what an image is made of. */
export interface Finish {
  edge(edge: LlbEdge): LlbEdge;
  config(image: ImageConfig): ImageConfig;
}

/** Starts watching; `results` is for when all stages are converted. */
export function collectSteps(source: DockerfileStages, graph: StageGraph, origins: Origins): StepCollector {
  const seen: Seen[] = [];

  function stateOf({ stage, state, how }: Seen, { edge, config }: Finish): StepState {
    const origin = origins.stages.get(rootStage(stage, graph).index);
    return {
      stage: stage.index,
      edge: state.edge && edge(state.edge),
      config: config(state.image),
      historyVertices: state.historyVertices,
      ignoreCache: how.ignoreCache,
      ...(origin?.kind === "image" && { baseConfig: origin.configBytes }),
      ...(how.instruction?.kind === "run" && state.edge && { process: state.edge.vertex.digest }),
    };
  }

  function results(finish: Finish): StepResult[] {
    const steps: (StepResult & { triggers: StepResult[] })[] = source.globalArgs.map(({ code }) => ({
      text: code,
      triggers: [],
    }));
    for (const one of seen) {
      const { stage, how } = one;
      const state = stateOf(one, finish);
      if (how.instruction === undefined)
        steps.push({ text: stage.from.code, state, base: baseOf(stage, origins), triggers: [] });
      else {
        const step = { text: how.instruction.code, state, triggers: [] };
        if (how.onbuild) steps.at(-1)?.triggers.push(step);
        else steps.push(step);
      }
    }
    return steps;
  }

  return {
    observe: (stage, state, how) => void seen.push({ stage, state, how }),
    edges: () => seen.map(({ state }) => state.edge),
    results,
  };
}

function baseOf(stage: Stage, origins: Origins): StepBase {
  if (stage.base.kind === "stage" && stage.replacedBy === undefined)
    return { kind: "stage", stage: stage.base.stage };
  const origin = origins.stages.get(stage.index) ?? { kind: "scratch" };
  if (origin.kind === "image") return { kind: "image", id: digestOf(origin.configBytes) };
  return { kind: origin.kind === "scratch" ? "scratch" : "other" };
}
