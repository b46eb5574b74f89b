import type { Dockerfile } from "../parser/ast.ts";
import type { StageSource } from "../stages/types.ts";
import { type Warning, warningOf } from "./rules.ts";

/** Warnings that need nothing but the file; they cover all stages. */
export function fileWarnings(dockerfile: Dockerfile, stages: readonly StageSource[]): Warning[] {
  return [
    ...dockerfile.warnings.map(({ range }) =>
      warningOf("NoEmptyContinuation", "Empty continuation line", [range]),
    ),
    ...stages.flatMap(stageNameCasing),
    ...stages.flatMap(asCasing),
    ...maintainers(dockerfile),
    ...stageNames(stages),
    ...instructionCasing(stages),
  ];
}

function stageNameCasing({ from }: StageSource): Warning[] {
  const name = from.node.words[2]?.text;
  if (name === undefined || name === name.toLowerCase()) return [];
  return [warningOf("StageNameCasing", `Stage name '${name}' should be lowercase`, [from.range])];
}

function asCasing({ from }: StageSource): Warning[] {
  const as = from.node.words[1]?.text;
  const inCase = isLower(from.name) ? isLower : isUpper(from.name) ? isUpper : undefined;
  if (as === undefined || inCase === undefined || inCase(as)) return [];
  return [
    warningOf("FromAsCasing", `'${as}' and '${from.name}' keywords' casing do not match`, [from.range]),
  ];
}

function maintainers(dockerfile: Dockerfile): Warning[] {
  const message = "Maintainer instruction is deprecated in favor of using label";
  return dockerfile.instructions
    .filter((node) => node.keyword === "MAINTAINER")
    .map((node) => warningOf("MaintainerDeprecated", message, [node.range]));
}

function stageNames(stages: readonly StageSource[]): Warning[] {
  const seen = new Set<string>();
  const warnings: Warning[] = [];
  for (const { name, from } of stages) {
    if (name === undefined) continue;
    const quoted = JSON.stringify(name);
    if (name === "scratch" || name === "context") {
      const message = `Stage name should not use the same name as reserved stage ${quoted}`;
      warnings.push(warningOf("ReservedStageName", message, [from.range]));
    }
    if (seen.has(name)) {
      const message = `Duplicate stage name ${quoted}, stage names should be unique`;
      warnings.push(warningOf("DuplicateStageName", message, [from.range]));
    }
    seen.add(name);
  }
  return warnings;
}

function instructionCasing(stages: readonly StageSource[]): Warning[] {
  const all = stages.flatMap(({ from, instructions }) => [from, ...instructions]);
  const lower = all.filter(({ name }) => isLower(name)).length;
  const upper = all.filter(({ name }) => isUpper(name) && !isLower(name)).length;
  const [fits, casing] = lower > upper ? [isLower, "lowercase"] : [isUpper, "uppercase"];
  return all
    .filter(({ name }) => !fits(name))
    .map(({ name, range }) => {
      const message = `Command '${name}' should match the case of the command majority (${casing})`;
      return warningOf("ConsistentInstructionCasing", message, [range]);
    });
}

function isLower(text: string): boolean {
  return text === text.toLowerCase();
}

function isUpper(text: string): boolean {
  return text === text.toUpperCase();
}
