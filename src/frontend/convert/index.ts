import type { StageInstruction } from "../../dockerfile/index.ts";
import type { StageState, Step } from "../stage-state.ts";
import { convertAdd } from "./add.ts";
import { convertArg } from "./arg.ts";
import { convertCmd, convertEntrypoint, convertShell } from "./command.ts";
import { convertCopy } from "./copy.ts";
import { convertEnv } from "./env.ts";
import { expandStep } from "./expand.ts";
import { convertExpose } from "./expose.ts";
import { convertLabel } from "./label.ts";
import {
  convertHealthcheck,
  convertMaintainer,
  convertOnbuild,
  convertStopsignal,
  convertUser,
  convertVolume,
} from "./metadata.ts";
import { convertRun } from "./run.ts";
import { convertWorkdir } from "./workdir.ts";

type Kind = StageInstruction["kind"];
type Converters = {
  readonly [K in Kind]: (state: StageState, step: Step<Extract<StageInstruction, { kind: K }>>) => StageState;
};

const converters: Converters = {
  add: convertAdd,
  arg: convertArg,
  cmd: convertCmd,
  copy: convertCopy,
  entrypoint: convertEntrypoint,
  env: convertEnv,
  expose: convertExpose,
  healthcheck: convertHealthcheck,
  label: convertLabel,
  maintainer: convertMaintainer,
  onbuild: convertOnbuild,
  run: convertRun,
  shell: convertShell,
  stopsignal: convertStopsignal,
  user: convertUser,
  volume: convertVolume,
  workdir: convertWorkdir,
};

/** What a stage becomes by one instruction. Errors have no place yet; the caller knows it. */
export function convertInstruction(state: StageState, step: Step): StageState {
  const convert = converters[step.instruction.kind] as (state: StageState, step: Step) => StageState;
  return convert(state, expandStep(step, state));
}
