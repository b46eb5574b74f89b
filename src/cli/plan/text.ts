import type { BuildPlan, PlannedStage } from "../../frontend/index.ts";
import { counted } from "../text-table.ts";
import { labelOf } from "./graph.ts";

/** A block a stage: what it starts from, what happens to it, and its steps. */
export function planText({ stages, target }: BuildPlan): string {
  const run = stages.filter((stage) => stage.needed);
  const blocks = stages.map((stage) => stageText(stage, stages, stage.index === target));
  const skipped = stages.length - run.length;
  const steps = run.reduce((sum, stage) => sum + stage.steps.length, 0);
  const label = labelOf(stages[target] as PlannedStage);
  return `${blocks.join("\n")}\nTarget ${label}: ${counted(run.length, "stage")} with ${counted(steps, "step")} to build, ${skipped} skipped.\n`;
}

function stageText(stage: PlannedStage, stages: readonly PlannedStage[], target: boolean): string {
  const fate = target ? "target" : stage.needed ? stage.reasonText : `skipped: ${stage.reasonText}`;
  const head = `${labelOf(stage)}  FROM ${stage.baseName}  (${fate})`;
  if (!stage.needed) return `${head}\n`;
  const lines = stage.steps.map(({ line, text }) => `  ${String(line).padStart(4)}  ${firstLine(text)}`);
  const uses = stage.uses.map(({ by, source }) => {
    const from =
      source.kind === "stage" ? `stage ${labelOf(stages[source.stage] as PlannedStage)}` : describe(source);
    return `        ${by === "copy" ? "copies" : "mounts"} from ${from}`;
  });
  return `${[head, ...lines, ...uses].join("\n")}\n`;
}

function describe(source: Exclude<PlannedStage["base"], { kind: "stage" }>): string {
  return source.kind === "scratch" ? "scratch" : `${source.kind} ${source.name}`;
}

function firstLine(text: string): string {
  const [line = "", ...more] = text.split("\n");
  return more.length > 0 ? `${line} …` : line;
}
