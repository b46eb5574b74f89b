import { posix } from "node:path";
import { buildsSomething, type DockerfileStages, type StageInstruction } from "../dockerfile/index.ts";
import { cannotConvert } from "./refusal.ts";
import type { ContextFiles, SingleStage } from "./types.ts";

/** The file's one stage. Throws when it has several, or none that builds anything. */
export function singleStage({ stages }: DockerfileStages, files: ContextFiles): SingleStage {
  const [stage, second] = stages;
  if (stage === undefined || second !== undefined)
    throw cannotConvert(`it has ${stages.length} stages already`);
  const { instructions, from } = stage;
  if (from.base === "scratch")
    throw cannotConvert("it starts from scratch: there is nothing to leave behind");
  const build = instructions.findLast(buildsSomething);
  if (build === undefined)
    throw cannotConvert(
      "no step compiles or bundles anything",
      "an image without a build step is right in one stage",
    );
  return {
    base: from.base,
    instructions,
    build,
    directory: directoryAt(instructions, build),
    home: directoryAt(instructions, undefined),
    command: commandOf(instructions),
    files,
  };
}

/** The working directory when an instruction runs. */
function directoryAt(instructions: readonly StageInstruction[], end: StageInstruction | undefined): string {
  let directory = "/";
  for (const instruction of instructions) {
    if (instruction === end) break;
    if (instruction.kind === "workdir") directory = posix.resolve(directory, instruction.path);
  }
  return directory;
}

/** What containers of the image run; the words of a command in shell form where it is a plain one. */
function commandOf(instructions: readonly StageInstruction[]): string[] {
  const last = (kind: "cmd" | "entrypoint") => {
    const found = instructions.findLast((instruction) => instruction.kind === kind);
    if (found?.kind !== "cmd" && found?.kind !== "entrypoint") return [];
    const { args, shell } = found.command;
    if (!shell) return [...args];
    const text = args.join(" ").replace(/^exec\s+/, "");
    if (/[;&|<>`$()]/.test(text)) throw cannotConvert(`what it runs cannot be told: ${text}`);
    return text.trim().split(/\s+/);
  };
  return [...last("entrypoint"), ...last("cmd")];
}
