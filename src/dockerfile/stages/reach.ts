import { resolveMount } from "../instructions/mounts.ts";
import type { SourceText } from "../parser/ast.ts";
import { errorAt } from "../parser/source.ts";
import { findCycle } from "./cycles.ts";
import type { ConnectedStage, Stage, StageReason, StageSourceUse } from "./types.ts";

/**
 * Marks the stages that the target needs, directly or through others, with the reason. A cycle is refused
 * wherever it is; a reference to a later stage only where it is needed. With `earlier`, every stage before the target
 * is needed too, with `all` every stage.
 */
export function reach(
  stages: readonly ConnectedStage[],
  target: number,
  source: SourceText,
  wanted: "needed" | "earlier" | "all" = "needed",
): Stage[] {
  refuseCycle(stages, source);
  const reasons = new Map<number, StageReason>([[target, { kind: "target" }]]);
  for (const { index } of stages) {
    if (wanted === "all" && index !== target) reasons.set(index, { kind: "all" });
    if (wanted === "earlier" && index < target) reasons.set(index, { kind: "earlier", target });
  }
  for (const index of reasons.keys()) {
    const stage = stages[index]!;
    if (stage.replacedBy !== undefined) continue;
    const need = (other: number, reason: StageReason) => reasons.has(other) || reasons.set(other, reason);
    if (stage.base.kind === "stage")
      need(stage.base.stage, { kind: "base", stage: index, line: stage.from.range.start.line });
    for (const use of stage.uses) {
      if (use.source.kind !== "stage") continue;
      if (use.source.stage >= index) throw laterStage(stages, stage, use, source);
      need(use.source.stage, { kind: use.by, stage: index, line: use.range.start.line });
    }
  }
  return stages.map((stage) => {
    const reason = reasons.get(stage.index) ?? { kind: "not-needed", target };
    const reasonText = describe(reason, stages);
    return { ...stage, needed: reason.kind !== "not-needed", reason, reasonText };
  });
}

function describe(reason: StageReason, stages: readonly ConnectedStage[]): string {
  switch (reason.kind) {
    case "target":
      return "target";
    case "all":
      return "all stages are wanted";
    case "not-needed":
      return `not needed by target ${stages[reason.target]!.label}`;
    case "earlier":
      return `stands before target ${stages[reason.target]!.label}`;
    case "base":
      return `base of stage ${stages[reason.stage]!.label} (line ${reason.line})`;
    case "copy":
      return `copied from by stage ${stages[reason.stage]!.label} (line ${reason.line})`;
    case "mount":
      return `mounted by stage ${stages[reason.stage]!.label} (line ${reason.line})`;
  }
}

function laterStage(
  stages: readonly ConnectedStage[],
  stage: ConnectedStage,
  use: StageSourceUse,
  source: SourceText,
): Error {
  const message =
    use.by === "copy"
      ? `cannot copy from stage ${JSON.stringify(use.name)}, it needs to be defined before current stage ${JSON.stringify(stage.label)}`
      : `cannot mount from stage ${JSON.stringify(use.name)} to ${JSON.stringify(targetOf(use))}, stage needs to be defined before current command`;
  const other = use.source.kind === "stage" ? stages[use.source.stage] : undefined;
  const line = other?.from.range.start.line;
  return errorAt(source, use.range, "invalid-argument", message, {
    hint: `stage ${use.name} begins on line ${line}: move it before line ${stage.from.range.start.line}`,
  });
}

/** Where a mount goes, as written. */
function targetOf({ instruction, mount = 0 }: StageSourceUse): string {
  const flag = instruction.kind === "run" ? instruction.mounts[mount] : undefined;
  return flag === undefined ? "" : resolveMount(flag, (word) => word).target;
}

function refuseCycle(stages: readonly ConnectedStage[], source: SourceText): void {
  const edges = stages.map(({ uses }) =>
    uses.flatMap((use) => (use.source.kind === "stage" ? [use.source.stage] : [])),
  );
  const cycle = findCycle(edges);
  if (cycle === undefined) return;
  const ranges = cycle.path.slice(0, -1).flatMap((from, i) => {
    const to = cycle.path[i + 1]!;
    const use = stages[from]!.uses.find((each) => each.source.kind === "stage" && each.source.stage === to);
    return use === undefined ? [] : [use.range];
  });
  const loop = cycle.path.slice(cycle.path.indexOf(cycle.path.at(-1)!)).map((index) => stages[index]!.label);
  throw errorAt(
    source,
    ranges,
    "invalid-argument",
    `circular dependency detected on stage: ${stages[cycle.root]!.label}`,
    { hint: `${loop.join(" reads from ")}` },
  );
}
