import type { SourceRange } from "../../core/index.ts";
import type { StageInstruction } from "../instructions/types.ts";
import type { Stage } from "../stages/types.ts";
import { suggest } from "../suggest.ts";
import { type Warning, warningOf } from "./rules.ts";

/** Warnings about the instructions of the stages that are built. */
export function stageWarnings(stages: readonly Stage[]): Warning[] {
  const shells = new Map<number, boolean>();
  return stages.flatMap((stage) => {
    const inherited = stage.base.kind === "stage" && (shells.get(stage.base.stage) ?? false);
    const instructions = stage.replacedBy === undefined ? [...stage.triggers, ...stage.instructions] : [];
    shells.set(stage.index, inherited || instructions.some(({ kind }) => kind === "shell"));
    if (!stage.needed) return [];
    return [...legacyPairs(instructions), ...shellForms(instructions, inherited), ...repeated(instructions)];
  });
}

function legacyPairs(instructions: readonly StageInstruction[]): Warning[] {
  return instructions.flatMap((instruction) => {
    if (instruction.kind !== "env" && instruction.kind !== "label") return [];
    const name = instruction.node.keyword;
    const message = `"${name} key=value" should be used instead of legacy "${name} key value" format`;
    return instruction.pairs
      .filter((pair) => pair.legacy)
      .map(() => warningOf("LegacyKeyValueFormat", message, [instruction.range]));
  });
}

/** A stage with a SHELL of its own is taken to know what it does. */
function shellForms(instructions: readonly StageInstruction[], inherited: boolean): Warning[] {
  let shell = inherited;
  const warnings: Warning[] = [];
  for (const instruction of instructions) {
    if (instruction.kind === "shell") shell = true;
    if (instruction.kind !== "cmd" && instruction.kind !== "entrypoint") continue;
    if (shell || !instruction.command.shell) continue;
    const message = `JSON arguments recommended for ${instruction.name} to prevent unintended behavior related to OS signals`;
    warnings.push(warningOf("JSONArgsRecommended", message, [instruction.range]));
  }
  return warnings;
}

/** Of CMD, ENTRYPOINT and HEALTHCHECK only the last counts; the warning is at those that do not. */
function repeated(instructions: readonly StageInstruction[]): Warning[] {
  const last = new Map<string, StageInstruction>();
  const warnings: Warning[] = [];
  for (const instruction of instructions) {
    const { kind, name } = instruction;
    if (kind !== "cmd" && kind !== "entrypoint" && kind !== "healthcheck") continue;
    const earlier = last.get(kind);
    if (earlier !== undefined) {
      const message = `Multiple ${name} instructions should not be used in the same stage because only the last one will be used`;
      warnings.push(warningOf("MultipleInstructionsDisallowed", message, [earlier.range]));
    }
    last.set(kind, instruction);
  }
  return warnings;
}

/**
 * Variables that an instruction used and nobody set. `known` are the names that exist there, `declared` those
 * that an ARG declares without a value, which is no mistake.
 */
export function undefinedVariableWarnings(
  unmatched: Iterable<string>,
  known: Iterable<string>,
  declared: ReadonlySet<string>,
  range: SourceRange,
): Warning[] {
  const names = [...known];
  return [...unmatched]
    .filter((name) => !declared.has(name))
    .map((name) => {
      const near = suggest(name, names);
      const message = `Usage of undefined variable '$${name}'${near ? ` (did you mean $${near}?)` : ""}`;
      return warningOf("UndefinedVar", message, [range]);
    });
}
