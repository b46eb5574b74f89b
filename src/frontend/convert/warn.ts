import type { SourceRange } from "../../core/index.ts";
import { type RuleName, warningOf } from "../../dockerfile/index.ts";
import type { StageState, Step } from "../stage-state.ts";

/** Warns about the instruction, unless a comment above it says not to. */
export function warn(step: Step, rule: RuleName, message: string, at: SourceRange = step.range): void {
  step.stage.build.warn(warningOf(rule, message, [at], step.original.node.comments));
}

/** Warns about an earlier instruction of the kind, which this one makes useless, and remembers this one. */
export function onlyLastCounts(
  state: StageState,
  step: Step,
  kind: "cmd" | "entrypoint" | "healthcheck",
): StageState {
  const earlier = state.last[kind];
  const message = `Multiple ${step.instruction.name} instructions should not be used in the same stage because only the last one will be used`;
  if (earlier !== undefined) warn(step, "MultipleInstructionsDisallowed", message, earlier);
  return { ...state, last: { ...state.last, [kind]: step.range } };
}

/** Warns of `ENV name value` and `LABEL name value`. */
export function warnOfLegacyForm(step: Step): void {
  const { name } = step.instruction;
  warn(
    step,
    "LegacyKeyValueFormat",
    `"${name} key=value" should be used instead of legacy "${name} key value" format`,
  );
}
