import { BuildError } from "../../core/index.ts";
import { readInstruction } from "../instructions/read.ts";
import type { FromInstruction, StageInstruction } from "../instructions/types.ts";
import type { SourceText } from "../parser/ast.ts";
import { parseDockerfile } from "../parser/parse.ts";
import { errorAt } from "../parser/source.ts";
import type { StageSource } from "./types.ts";

/**
 * Reads an ONBUILD trigger as an image's configuration has it. Its place, for errors and steps, is the FROM
 * that it came with; `node` refers to the trigger's own text.
 */
export function readTrigger(expression: string, from: FromInstruction, source: SourceText): StageInstruction {
  try {
    const { instructions, source: own } = parseDockerfile(expression, "ONBUILD trigger");
    const [node, second] = instructions;
    if (node === undefined || second !== undefined)
      throw new BuildError("invalid-argument", "onbuild trigger should be a single expression");
    const instruction = readInstruction(node, own, from.range);
    if (instruction.kind === "from")
      throw new BuildError("invalid-argument", "FROM isn't allowed as an ONBUILD trigger");
    return instruction;
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const origin = `the base has the trigger ${JSON.stringify(expression)}`;
    const hint = error.hint === undefined ? origin : `${error.hint}; ${origin}`;
    // It was right where it stood: no line of a file is wrong.
    const message = error.message.replace(/^dockerfile parse error on line \d+: /, "");
    throw errorAt(source, from.range, error.code, message, { hint, cause: error });
  }
}

/** The triggers that a stage of this file leaves for those that build on it. */
export function triggersOf(base: StageSource, from: FromInstruction, source: SourceText): StageInstruction[] {
  return base.instructions.flatMap((instruction) =>
    instruction.kind === "onbuild" ? [readTrigger(instruction.expression, from, source)] : [],
  );
}
