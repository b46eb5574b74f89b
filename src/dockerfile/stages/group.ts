import { readInstruction } from "../instructions/read.ts";
import type { ArgInstruction } from "../instructions/types.ts";
import {
  casingWarnings,
  descriptionWarnings,
  stageNameWarnings,
  writtenWarnings,
} from "../lint/file-checks.ts";
import { type Warning, warningOf } from "../lint/rules.ts";
import type { Dockerfile } from "../parser/ast.ts";
import { errorAt } from "../parser/source.ts";
import type { DockerfileStages, StageSource } from "./types.ts";

/**
 * Reads every instruction and groups them into stages. All instructions are checked, also those of stages
 * that no target needs. Throws `invalid-argument` with the place; `warnings` then has those of what was read before.
 */
export function readStages(dockerfile: Dockerfile, warnings: Warning[] = []): DockerfileStages {
  const { source } = dockerfile;
  for (const { range } of dockerfile.warnings)
    warnings.push(warningOf("NoEmptyContinuation", "Empty continuation line", [range]));
  const globalArgs: ArgInstruction[] = [];
  const stages: (StageSource & { instructions: StageSource["instructions"][number][] })[] = [];
  for (const node of dockerfile.instructions) {
    warnings.push(...writtenWarnings(node));
    const instruction = readInstruction(node, source);
    if (instruction.kind === "from" && instruction.stageName !== undefined)
      warnings.push(...descriptionWarnings(node, [instruction.stageName]));
    if (instruction.kind === "arg")
      warnings.push(
        ...descriptionWarnings(
          node,
          instruction.args.map(({ key }) => key),
        ),
      );
    const current = stages.at(-1);
    if (instruction.kind === "from")
      stages.push({ index: stages.length, name: instruction.stageName, from: instruction, instructions: [] });
    else if (current !== undefined) current.instructions.push(instruction);
    else if (instruction.kind === "arg") globalArgs.push(instruction);
    else
      throw errorAt(source, instruction.range, "invalid-argument", "no build stage in current context", {
        hint: `${node.keyword} stands before the first FROM; only ARG may`,
      });
  }
  if (stages.length === 0)
    throw errorAt(source, [], "invalid-argument", "dockerfile contains no stages to build", {
      hint: "add a FROM instruction",
    });
  for (const warning of [...stageNameWarnings(stages), ...casingWarnings(stages)]) warnings.push(warning);
  return { dockerfile, globalArgs, stages, warnings };
}
