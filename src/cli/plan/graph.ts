import type { BuildPlan, PlannedStage } from "../../frontend/index.ts";
import { counted } from "../text-table.ts";

/** A plan as what there is to draw: stages and what comes from outside, and who takes from whom. */
export interface PlanGraph {
  readonly nodes: readonly PlanNode[];
  readonly edges: readonly PlanEdge[];
}

export interface PlanNode {
  readonly id: string;
  readonly kind: "stage" | "image" | "context";
  readonly fate: "target" | "needed" | "skipped";
  readonly title: string;
  /** Further lines. */
  readonly lines: readonly string[];
}

/** From a node to one that takes from it; both by their id. */
export interface PlanEdge {
  readonly from: string;
  readonly to: string;
  /** `FROM`, `COPY --from`, or several. */
  readonly label: string;
  readonly needed: boolean;
}

/** Stages in the order of the file, behind them what they take from outside. An empty base (`scratch`) is no node. */
export function planGraph(plan: BuildPlan): PlanGraph {
  const nodes = new Map<string, PlanNode>();
  const labels = new Map<string, { from: string; to: string; needed: boolean; labels: Set<string> }>();
  for (const stage of plan.stages) nodes.set(stageId(stage.index), stageNode(stage, plan));
  for (const stage of plan.stages) {
    connect(stage, stage.base, "FROM");
    for (const { by, source } of stage.uses)
      connect(stage, source, by === "copy" ? "COPY --from" : "RUN --mount");
  }

  function connect(stage: PlannedStage, source: PlannedStage["base"], label: string): void {
    const from = sourceOf(source, stage.needed);
    if (from === undefined) return;
    const to = stageId(stage.index);
    const key = `${from} ${to}`;
    const edge = labels.get(key) ?? { from, to, needed: stage.needed, labels: new Set<string>() };
    edge.labels.add(label);
    labels.set(key, edge);
  }

  function sourceOf(source: PlannedStage["base"], needed: boolean): string | undefined {
    if (source.kind === "scratch") return undefined;
    if (source.kind === "stage") return stageId(source.stage);
    const id = `${source.kind} ${source.name}`;
    const fate = needed || nodes.get(id)?.fate === "needed" ? "needed" : "skipped";
    nodes.set(id, { id, kind: source.kind, fate, title: source.name, lines: [source.kind] });
    return id;
  }

  const edges = [...labels.values()].map((edge) => ({ ...edge, label: [...edge.labels].join(", ") }));
  return { nodes: [...nodes.values()], edges };
}

function stageId(index: number): string {
  return `stage ${index}`;
}

function stageNode(stage: PlannedStage, { target }: BuildPlan): PlanNode {
  const fate = stage.index === target ? "target" : stage.needed ? "needed" : "skipped";
  const lines = [`FROM ${stage.baseName}`, counted(stage.steps.length, "step")];
  if (fate === "skipped") lines.push(`skipped: ${stage.reasonText}`);
  if (fate === "target") lines.push("target");
  return { id: stageId(stage.index), kind: "stage", fate, title: labelOf(stage), lines };
}

/** What people call a stage. */
export function labelOf({ name, index }: PlannedStage): string {
  return name === "" ? `stage-${index}` : name;
}
