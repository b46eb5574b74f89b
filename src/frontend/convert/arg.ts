import { type ArgInstruction, expandWord } from "../../dockerfile/index.ts";
import { commit, type StageState, type Step, withVariables } from "../stage-state.ts";
import { steeringArgs, warnUndefined } from "./expand.ts";
import { warnOfSecret } from "./secret-names.ts";

/** ARG: `--build-arg` wins, then the default, then an ARG of that name before the first FROM. */
export function convertArg(state: StageState, step: Step<ArgInstruction>): StageState {
  const { build } = step.stage;
  const shown: string[] = [];
  let next = state;
  for (const { key, value: fallback, doc } of step.instruction.args) {
    warnOfSecret(step, "ARG", key);
    const given = build.options.buildArgs?.[key];
    const value =
      given ?? (fallback === undefined ? build.globalArgs.get(key) : expandDefault(next, fallback));
    step.stage.notes.args.push({
      key,
      global: given === undefined && fallback === undefined && value !== undefined,
      range: step.range,
      ...(value !== undefined && { value }),
      ...(doc !== undefined && { doc }),
    });
    if (value !== undefined && !steeringArgs.has(key)) next = withVariables(next, [{ key, value }]);
    next = { ...next, args: [...next.args, { key, ...(value !== undefined && { value }) }] };
    shown.push(value === undefined ? key : `${key}=${value}`);
  }
  return commit(next, build, `ARG ${shown.join(" ")}`);

  function expandDefault(now: StageState, text: string): string {
    const expansion = expandWord(text, now.env, { escape: build.dockerfile.escape });
    warnUndefined(step, now, expansion.unmatched);
    return expansion.text;
  }
}
