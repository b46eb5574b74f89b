import { plan } from "../../build/index.ts";
import { BuildError } from "../../core/index.ts";
import type { BuildPlan, PlannedStage } from "../../frontend/index.ts";
import type { Command } from "../command.ts";
import { counted } from "../text-table.ts";
import { buildFlags } from "./build-flags.ts";
import { pairsOf, platformOf } from "./common.ts";

const shared = new Set(["file", "target", "build-arg", "build-context", "platform"]);

export const command: Command = {
  name: "plan",
  summary: "Shows which stages and steps a build would run, which it would skip, and why. Runs nothing.",
  usage: "[OPTIONS] PATH",
  flags: [
    ...buildFlags.filter((flag) => shared.has(flag.name)),
    { name: "format", value: "KIND", help: "text (default) or json" },
  ],
  minArgs: 1,
  maxArgs: 1,
  examples: ["stagewright plan .", "stagewright plan --target runtime --format json ."],
  run: async (call) => {
    const format = call.get("format") ?? "text";
    if (format !== "text" && format !== "json")
      throw new BuildError("invalid-argument", `--format ${format}: text or json`);
    const platform = platformOf(call);
    const file = call.get("file");
    const target = call.get("target");
    const planned = plan({
      context: call.args[0] as string,
      buildArgs: pairsOf(call, "build-arg"),
      buildContexts: pairsOf(call, "build-context", {}),
      ...(file === undefined ? {} : { file }),
      ...(target === undefined ? {} : { target }),
      ...(platform === undefined ? {} : { platform }),
    });
    process.stdout.write(format === "json" ? `${JSON.stringify(planned, null, 2)}\n` : planText(planned));
    return 0;
  },
};

/** A block a stage: what it starts from, what happens to it, and its steps. */
function planText({ stages, target }: BuildPlan): string {
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

function labelOf({ name, index }: PlannedStage): string {
  return name === "" ? `stage-${index}` : name;
}

function firstLine(text: string): string {
  const [line = "", ...more] = text.split("\n");
  return more.length > 0 ? `${line} …` : line;
}
