import {
  type ExpandOptions,
  expandInstruction,
  expandWord,
  type StageInstruction,
  undefinedVariables,
} from "../../dockerfile/index.ts";
import type { StageState, Step } from "../stage-state.ts";
import { warn } from "./warn.ts";

/** Arguments that steer the build itself and are not handed to its processes. */
export const steeringArgs: ReadonlySet<string> = new Set([
  "BUILDKIT_SBOM_SCAN_CONTEXT",
  "BUILDKIT_SBOM_SCAN_STAGE",
]);

/** Expands variables in words of an instruction. */
export type Expander = (word: string) => string;

/** Expands as the instruction's stage stands. Variables that are nowhere defined give a warning. */
export function expanderOf(step: Step, state: StageState, options: ExpandOptions = {}): Expander {
  const { build } = step.stage;
  return (word) => {
    const unmatched = new Set<string>();
    try {
      const all = { escape: build.dockerfile.escape, ...options, unmatched };
      return expandWord(word, state.env, all).text;
    } finally {
      warnUndefined(step, state, unmatched);
    }
  };
}

/** Warns of variables that no ARG or ENV defines. */
export function warnUndefined(step: Step, state: StageState, unmatched: ReadonlySet<string>): void {
  if (unmatched.size === 0) return;
  const declared = new Set([...steeringArgs, ...state.args.map((arg) => arg.key)]);
  for (const message of undefinedVariables(unmatched, state.env.keys(), declared))
    warn(step, "UndefinedVar", message);
}

/** The instruction with its variables expanded as the stage stands. */
export function expandStep<I extends StageInstruction>(step: Step<I>, state: StageState): Step<I> {
  const expand = expanderOf(step, state);
  const expandBody = expanderOf(step, state, { escape: "\\", skipQuotes: true });
  return { ...step, instruction: expandInstruction(step.instruction, expand, expandBody) };
}
