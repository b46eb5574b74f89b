import { goText } from "../../core/index.ts";
import {
  didYouMean,
  type HealthcheckInstruction,
  type MaintainerInstruction,
  type OnbuildInstruction,
  type StopsignalInstruction,
  type UserInstruction,
  type VolumeInstruction,
} from "../../dockerfile/index.ts";
import { invalid } from "../refuse.ts";
import { commit, type StageState, type Step, withConfig } from "../stage-state.ts";
import { onlyLastCounts } from "./warn.ts";

/** USER: for later RUN and WORKDIR, and for containers. */
export function convertUser(state: StageState, step: Step<UserInstruction>): StageState {
  const { user } = step.instruction;
  return commit(withConfig({ ...state, user }, { User: user }), step.stage.build, `USER ${user}`);
}

/** VOLUME: only declares; files that later steps write below it stay, as in BuildKit. */
export function convertVolume(state: StageState, step: Step<VolumeInstruction>): StageState {
  const { volumes } = step.instruction;
  if (volumes.includes("")) throw invalid("VOLUME specified can not be an empty string");
  const declared = {
    ...state.image.config.Volumes,
    ...Object.fromEntries(volumes.map((path) => [path, {}])),
  };
  return commit(
    withConfig(state, { Volumes: declared }),
    step.stage.build,
    `VOLUME ${goText.plainList(volumes)}`,
  );
}

/** STOPSIGNAL, by name or number. */
export function convertStopsignal(state: StageState, step: Step<StopsignalInstruction>): StageState {
  const { signal } = step.instruction;
  if (!isSignal(signal)) throw invalid(`invalid signal: ${signal}`, signalHint(signal));
  return commit(withConfig(state, { StopSignal: signal }), step.stage.build, `STOPSIGNAL ${signal}`);
}

const signals = new Set(
  (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM " +
    "TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
  ).split(" "),
);

function signalHint(text: string): string {
  const names = [...signals].map((name) => `SIG${name}`);
  return didYouMean(text.toUpperCase(), names) ?? "name it like SIGTERM, or give its number";
}

/** Numbers other than 0, names with or without SIG in any case, real-time signals relative to either end. */
function isSignal(text: string): boolean {
  if (/^[+-]?\d+$/.test(text)) return Number(text) !== 0;
  const name = text.toUpperCase().replace(/^SIG/, "");
  const realtime = /^RTM(IN\+|AX-)(\d+)$/.exec(name);
  if (realtime !== null) {
    const offset = Number(realtime[2]);
    return offset >= 1 && offset <= (realtime[1] === "IN+" ? 15 : 14);
  }
  return signals.has(name);
}

/** HEALTHCHECK; `NONE` switches off that of the base. */
export function convertHealthcheck(state: StageState, step: Step<HealthcheckInstruction>): StageState {
  const check = step.instruction.healthcheck;
  const config = {
    ...(check.test.length > 0 && { Test: check.test }),
    ...(check.interval !== 0 && { Interval: check.interval }),
    ...(check.timeout !== 0 && { Timeout: check.timeout }),
    ...(check.startPeriod !== 0 && { StartPeriod: check.startPeriod }),
    ...(check.startInterval !== 0 && { StartInterval: check.startInterval }),
    ...(check.retries !== 0 && { Retries: check.retries }),
  };
  // What Go prints for the struct with %q, the number of retries as a character: part of images' identity.
  const times = [check.interval, check.timeout, check.startPeriod, check.startInterval];
  const shown = [
    ...times.map((time) => goText.quote(goText.duration(time))),
    goText.quoteInteger(check.retries),
  ].join(" ");
  return commit(
    withConfig(onlyLastCounts(state, step, "healthcheck"), { Healthcheck: config }),
    step.stage.build,
    `HEALTHCHECK &{${goText.quoteList(check.test)} ${shown}}`,
  );
}

/** MAINTAINER: the author of the image. */
export function convertMaintainer(state: StageState, step: Step<MaintainerInstruction>): StageState {
  const { maintainer } = step.instruction;
  const next = { ...state, image: { ...state.image, author: maintainer } };
  return commit(next, step.stage.build, `MAINTAINER ${maintainer}`);
}

/** ONBUILD: kept for builds on this image; BuildKit writes no history for it. */
export function convertOnbuild(state: StageState, step: Step<OnbuildInstruction>): StageState {
  return withConfig(state, { OnBuild: [...(state.image.config.OnBuild ?? []), step.instruction.expression] });
}
