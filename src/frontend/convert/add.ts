import type { AddInstruction } from "../../dockerfile/index.ts";
import { invalid, refuse } from "../refuse.ts";
import type { StageState, Step } from "../stage-state.ts";
import { copyFiles, isRemote } from "./copy.ts";

/** ADD: COPY that unpacks local archives. What lies elsewhere is refused. */
export function convertAdd(state: StageState, step: Step<AddInstruction>): StageState {
  const { instruction, stage } = step;
  const remote = instruction.sources.find(isRemote);
  if (remote !== undefined) throw refuse(`ADD of a remote source (${remote})`);
  if (instruction.checksum !== "") throw invalid("checksum requires HTTP(S) or Git sources");
  if (instruction.keepGitDir !== undefined) throw refuse("ADD --keep-git-dir");
  return copyFiles(state, step, {
    ...instruction,
    keyword: "ADD",
    parents: false,
    unpack: instruction.unpack ?? true,
    from: stage.build.mainContext,
  });
}
