import { posix } from "node:path";
import type { CopyInstruction, StageInstruction } from "../instructions/types.ts";
import type { Stage } from "../stages/types.ts";

/** The stages that a stage is built on, the one that has a base outside the file first, and itself. */
export function chainOf(stage: Stage, stages: readonly Stage[]): Stage[] {
  const chain = [stage];
  for (let top = stage; top.base.kind === "stage" && top.replacedBy === undefined; ) {
    top = stages[top.base.stage]!;
    chain.unshift(top);
  }
  return chain;
}

/** The instruction copies the whole build context. */
export function copiesContext(instruction: StageInstruction): instruction is CopyInstruction {
  if (instruction.kind !== "copy" || instruction.from !== undefined) return false;
  return instruction.sources.some((source) => ["", "."].includes(posix.normalize(`/${source}`).slice(1)));
}

/**
 * Directories of a stage that hold files of the build context or of here-documents, as absolute paths. Paths with
 * variables are left out.
 */
export function sourceDirectories(stage: Stage, stages: readonly Stage[]): string[] {
  const found: string[] = [];
  let directory = "/";
  for (const instruction of chainOf(stage, stages).flatMap(({ instructions }) => instructions)) {
    if (instruction.kind === "workdir") directory = posix.resolve(directory, instruction.path);
    if ((instruction.kind !== "copy" && instruction.kind !== "add") || isFromElsewhere(instruction)) continue;
    const { destination, sources, contents } = instruction;
    const path = posix.resolve(directory, destination);
    const whole =
      copiesContext(instruction) || /(?:^|\/)\.?$/.test(destination) || sources.length + contents.length > 1;
    found.push(whole ? path : posix.dirname(path));
  }
  return found.filter((path) => !path.includes("$"));
}

function isFromElsewhere(instruction: StageInstruction): boolean {
  return instruction.kind === "copy" && instruction.from !== undefined;
}

/** Whether `path` is `directory` or below it. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || directory === "/" || path.startsWith(`${directory}/`);
}
