import type { EnvInstruction } from "../../dockerfile/index.ts";
import { commit, type StageState, type Step, withConfig, withVariables } from "../stage-state.ts";
import { warnOfSecret } from "./secret-names.ts";
import { warnOfLegacyForm } from "./warn.ts";

/** ENV: variables of all later steps and of the image. */
export function convertEnv(state: StageState, step: Step<EnvInstruction>): StageState {
  const { pairs } = step.instruction;
  for (const { key, legacy } of pairs) {
    if (legacy) warnOfLegacyForm(step);
    warnOfSecret(step, "ENV", key);
  }
  const lines = [...(state.image.config.Env ?? [])];
  for (const { key, value } of pairs) setVariable(lines, key, value);
  const next = withConfig(withVariables(state, pairs), { Env: lines });
  const message = pairs.map(({ key, value }) => ` ${key}=${value}`).join("");
  return commit(next, step.stage.build, `ENV${message}`);
}

/** Unlike in a running step's environment, a variable that is set again keeps its place in the image's. */
function setVariable(lines: string[], key: string, value: string): void {
  const index = lines.findIndex((line) => line.startsWith(`${key}=`) || line === key);
  if (index < 0) lines.push(`${key}=${value}`);
  else lines[index] = `${key}=${value}`;
}
