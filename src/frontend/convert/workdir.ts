import { goText } from "../../core/index.ts";
import type { WorkdirInstruction } from "../../dockerfile/index.ts";
import { fileVertex, parseOwner } from "../../llb/index.ts";
import { absolutePath, cleanPath } from "../paths.ts";
import { commit, commitLayer, type StageState, type Step, withConfig } from "../stage-state.ts";
import { nameStep, shownText, stepOptions } from "../step-name.ts";
import { warn } from "./warn.ts";

/** WORKDIR: makes the directory, for USER when there was one. */
export function convertWorkdir(state: StageState, step: Step<WorkdirInstruction>): StageState {
  const { build } = step.stage;
  const written = step.instruction.path;
  if (!state.workdirSet && !written.startsWith("/")) {
    const message = `Relative workdir ${goText.quote(written)} can have unexpected results if the base image changes`;
    warn(step, "WorkdirRelativePath", message);
  }
  const path = absolutePath(state.image.config.WorkingDir ?? "", written, false);
  const inside = { ...enterDirectory(state, path), workdirSet: true };
  if (path === "/") return commit(inside, build, `WORKDIR ${path}`);
  const text = shownText(step, inside.env, step.instruction.code, false);
  const { name, state: named } = nameStep(step.stage, inside, text, {
    platform: inside.platform,
    onbuild: step.onbuild,
    variables: inside.env,
  });
  const user = state.image.config.User;
  const epoch = build.options.sourceDateEpoch;
  const edge = fileVertex(
    state.edge,
    [
      {
        action: {
          kind: "mkdir",
          path: cleanPath(path),
          mode: 0o755,
          makeParents: true,
          ...(user && { owner: parseOwner(user) }),
          timestamp: epoch === undefined ? -1n : BigInt(epoch) * 1_000_000_000n,
        },
      },
    ],
    { ...stepOptions(step, name), ignoreCache: false },
  );
  return commitLayer({ ...named, edge }, build, `WORKDIR ${path}`);
}

/** Makes `path`, absolute, the working directory of later steps and of the image. */
export function enterDirectory(state: StageState, path: string): StageState {
  return withConfig({ ...state, cwd: path }, { WorkingDir: path });
}
