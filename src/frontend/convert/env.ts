import type { EnvInstruction } from "../../dockerfile/index.ts";
import { commit, type StageState, type Step, withConfig, withVariable } from "../stage-state.ts";
import { warnOfSecret } from "./secret-names.ts";

/** ENV: variables of this and all later steps and of the image. */
export function convertEnv(state: StageState, step: Step<EnvInstruction>): StageState {
  let next = state;
  let message = "ENV";
  for (const { key, value } of step.instruction.pairs) {
    warnOfSecret(step, "ENV", key);
    message += ` ${key}=${value}`;
    next = withVariable(next, key, value);
    next = withConfig(next, { Env: replaceVariable(next.image.config.Env ?? [], key, value) });
  }
  return commit(next, step.stage.build, message);
}

/** Unlike in a running step's environment, a variable that is set again keeps its place in the image's. */
function replaceVariable(env: readonly string[], key: string, value: string): readonly string[] {
  const entry = `${key}=${value}`;
  const index = env.findIndex((line) => line.split("=", 1)[0] === key);
  return index < 0 ? [...env, entry] : env.with(index, entry);
}
