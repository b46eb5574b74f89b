import type { TextEdit } from "../parser/print.ts";
import type { StageSource } from "../stages/types.ts";
import type { Fix, FixContext } from "./types.ts";

/** `--from=0` by the stage's name; a stage without one gets it. */
export function stageNumbers({ source }: FixContext): Fix[] {
  const { stages } = source;
  const taken = new Set(stages.flatMap(({ name }) => name ?? []));
  const given = new Map<number, { name: string; naming: readonly TextEdit[] }>();
  const fixes: Fix[] = [];
  for (const { instructions } of stages)
    for (const { kind, node, range } of instructions) {
      const flag = node.flags.find(({ name }) => name === "--from");
      if (kind !== "copy" || flag === undefined || !/^--from=\d+$/.test(flag.text)) continue;
      if (flag.range.end.column - flag.range.start.column !== flag.text.length) continue;
      const stage = stages[Number(flag.value)];
      if (stage === undefined || isShadowed(stage, stages)) continue;
      const known = given.get(stage.index);
      const { name, naming } = known ?? nameFor(stage, taken);
      given.set(stage.index, { name, naming });
      // The first use brings the name along.
      const edits = [...(known === undefined ? naming : []), { range: flag.range, text: `--from=${name}` }];
      fixes.push({ rule: "StageByNumber", line: range.start.line, edits });
    }
  return fixes;
}

/** A later stage has the same name, which then means that one. */
function isShadowed(stage: StageSource, stages: readonly StageSource[]): boolean {
  return (
    stage.name !== undefined && stages.some(({ name, index }) => name === stage.name && index !== stage.index)
  );
}

function nameFor(stage: StageSource, taken: Set<string>): { name: string; naming: readonly TextEdit[] } {
  if (stage.name !== undefined) return { name: stage.name, naming: [] };
  const wanted = stage.instructions.some(({ kind }) => kind === "run") ? "build" : "files";
  let name = wanted;
  for (let i = 2; taken.has(name); i++) name = `${wanted}${i}`;
  taken.add(name);
  const { end } = stage.from.node.words[0]!.range;
  const as = stage.from.name === stage.from.name.toLowerCase() ? "as" : "AS";
  return { name, naming: [{ range: { start: end, end }, text: ` ${as} ${name}` }] };
}
