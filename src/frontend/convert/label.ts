import type { LabelInstruction } from "../../dockerfile/index.ts";
import { commit, type StageState, type Step, withConfig } from "../stage-state.ts";
import { warnOfLegacyForm } from "./warn.ts";

/** LABEL: adds to the labels of the base. */
export function convertLabel(state: StageState, step: Step<LabelInstruction>): StageState {
  const labels: Record<string, string> = { ...state.image.config.Labels };
  let message = "LABEL";
  for (const { key, value, legacy } of step.instruction.pairs) {
    if (legacy) warnOfLegacyForm(step);
    labels[key] = value;
    message += ` ${key}=${value}`;
  }
  return commit(withConfig(state, { Labels: labels }), step.stage.build, message);
}
