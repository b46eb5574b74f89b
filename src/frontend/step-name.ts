import { formatPlatform, type Platform, parsePlatform } from "../core/index.ts";
import { expandWord } from "../dockerfile/index.ts";
import type { VertexOptions } from "../llb/index.ts";
import type { StageContext, StageState, Step } from "./stage-state.ts";

/** A name for the next step of a stage, and the state in which it is counted. */
export interface NamedStep {
  readonly name: string;
  readonly state: StageState;
}

/** `[build 2/3] RUN make`: the stage, which of its steps, and the instruction. */
export function nameStep(
  stage: StageContext,
  state: StageState,
  text: string,
  how: {
    readonly platform: Platform;
    readonly onbuild?: boolean;
    readonly variables?: ReadonlyMap<string, string>;
  },
): NamedStep {
  // Stages that stand for a plain image (`COPY --from=image`) have no steps of their own.
  if (stage.stepCount === 0) return { name: text, state };
  const number = state.stepsNamed + 1;
  const width = String(stage.stepCount).length;
  const platform = stage.build.options.multiPlatform
    ? `${formatPlatform(how.platform)}${crossTarget(how.platform, how.variables)} `
    : "";
  const label = stage.label === "" ? "" : `${stage.label} `;
  const prefix = `[${platform}${label}${String(number).padStart(width)}/${stage.stepCount}] `;
  return {
    name: `${prefix}${how.onbuild ? "ONBUILD " : ""}${text}`,
    state: { ...state, stepsNamed: number },
  };
}

/** `->arm64` for a stage that runs here and compiles for elsewhere. */
function crossTarget(base: Platform, variables: ReadonlyMap<string, string> | undefined): string {
  const target = variables === undefined ? undefined : targetOf(base, variables);
  if (target === undefined) return "";
  if (target.os !== base.os) return `->${formatPlatform(target)}`;
  if (target.architecture === base.architecture) return "";
  return `->${target.architecture}${target.variant ? `/${target.variant}` : ""}`;
}

function targetOf(base: Platform, variables: ReadonlyMap<string, string>): Platform | undefined {
  const whole = variables.get("TARGETPLATFORM");
  const os = variables.get("TARGETOS");
  const architecture = variables.get("TARGETARCH");
  const variant = variables.get("TARGETVARIANT");
  if (whole === undefined && os === undefined && architecture === undefined && variant === undefined)
    return undefined;
  const text =
    whole ?? [os || base.os, architecture || base.architecture, ...(variant ? [variant] : [])].join("/");
  try {
    return parsePlatform(text);
  } catch {
    return undefined;
  }
}

/** The instruction as shown: variables expanded, its name in upper case. What cannot be expanded stays. */
export function shownText(
  step: Step,
  variables: { get(name: string): string | undefined },
  code: string,
  raw: boolean,
): string {
  const { dockerfile } = step.stage.build;
  let text = code;
  try {
    text = expandWord(code, variables, { escape: dockerfile.escape, rawQuotes: raw, skipUnset: raw }).text;
  } catch {
    // The instruction itself reports what is wrong with it; a name is only for show.
  }
  const space = text.indexOf(" ");
  return space < 0 ? text.toUpperCase() : text.slice(0, space).toUpperCase() + text.slice(space);
}

/** Facts that every vertex of an instruction carries. */
export function stepOptions(step: Step, name: string): VertexOptions {
  const { build, ignoreCache } = step.stage;
  return {
    name,
    ignoreCache,
    sources: [{ file: build.sourceFile, ranges: [step.range] }],
  };
}

/** Name of a vertex that the user did not write. */
export function internalName(text: string): string {
  return `[internal] ${text}`;
}
