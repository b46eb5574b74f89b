import { readInstruction } from "../instructions/read.ts";
import type { ArgInstruction } from "../instructions/types.ts";
import { fileWarnings } from "../lint/file-checks.ts";
import type { Dockerfile } from "../parser/ast.ts";
import { errorAt } from "../parser/source.ts";
import type { DockerfileStages, StageSource } from "./types.ts";

/**
 * Reads every instruction and groups them into stages. All instructions are checked, also those of stages
 * that no target needs. Throws `invalid-argument` with the place.
 */
export function readStages(dockerfile: Dockerfile): DockerfileStages {
  const { source } = dockerfile;
  const globalArgs: ArgInstruction[] = [];
  const stages: (StageSource & { instructions: StageSource["instructions"][number][] })[] = [];
  for (const node of dockerfile.instructions) {
    const instruction = readInstruction(node, source);
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
  return { dockerfile, globalArgs, stages, warnings: fileWarnings(dockerfile, stages) };
}
