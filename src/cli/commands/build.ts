import { type BuildOptions, type BuildResult, build } from "../../build/index.ts";
import {
  BuildError,
  defined,
  parseReference,
  type Reference,
  toBuildError,
  type WarningEvent,
} from "../../core/index.ts";
import { type Output, parseAnnotation, parseOutput } from "../../exporter/index.ts";
import { isStdout, usualShowing } from "../build-showing.ts";
import type { Call, Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { createDisplay, progressKind, stderrTerminal } from "../progress/index.ts";
import { callRequestOf, runCall } from "./build-call.ts";
import { buildFlags } from "./build-flags.ts";
import { type Schedule, scheduleOf } from "./build-schedule.ts";
import { stepOptions } from "./build-steps.ts";
import { buildArgsOf, buildContextsOf, networkOf, pairsOf, platformsOf, writeWhole } from "./common.ts";

export const command: Command = {
  name: "build",
  summary: "Builds an image from a Dockerfile.",
  usage: "[OPTIONS] PATH | URL | -",
  completes: "directory",
  flags: buildFlags,
  minArgs: 1,
  maxArgs: 1,
  examples: [
    "stagewright build -t app .",
    "stagewright build --target test -f docker/Dockerfile .",
    "stagewright build -o type=oci,dest=app.tar .",
    "stagewright build https://example.com/app.git#v1:src",
    "tar -c . | stagewright build -t app -",
    "stagewright build -o out --build-arg VERSION=1.2 .",
  ],
  run: (call) => runBuild(call, scheduleOf(call, process.env.DOCKER_BUILDKIT)),
};

/** `buildx build`, which is BuildKit's whatever `DOCKER_BUILDKIT` says. */
export const buildxBuild: Command = {
  ...command,
  name: "buildx build",
  run: (call) => runBuild(call, scheduleOf(call, undefined)),
};

async function runBuild(call: Call, schedule: Schedule): Promise<number> {
  const quiet = call.is("quiet") || call.get("progress") === "quiet";
  const kind = progressKind(
    quiet ? "quiet" : (call.get("progress") ?? process.env.BUILDKIT_PROGRESS ?? "auto"),
  );
  const options = { ...optionsOf(call), ...(await stepOptions(call)) };
  const terminal = stderrTerminal();
  const request = callRequestOf(call);
  if (request !== undefined) return runCall(request, options, createDisplay(kind, terminal), terminal);
  const stdoutIsTaken = (options.outputs ?? []).some(isStdout);
  // The classic builder knows nothing of BUILDKIT_PROGRESS.
  const classic = schedule === "legacy" && !quiet && (call.get("progress") ?? "auto") === "auto";
  const showing = classic
    ? (await import("../legacy-showing.ts")).legacyShowing(options.context, !stdoutIsTaken)
    : usualShowing(kind, terminal, options.outputs ?? []);
  const warnings: WarningEvent[] = [];
  const stop = interruption();
  stop.signal.addEventListener("abort", () => showing.display.stopping?.());
  let result: BuildResult;
  try {
    result = await build({
      ...options,
      schedule,
      signal: stop.signal,
      killSignal: stop.killSignal,
      onEvent(event) {
        if (event.kind === "warning") warnings.push(event);
        showing.display.event(event);
      },
    });
  } catch (error) {
    const exitCode = showing.failed(error);
    if (exitCode === undefined) throw error;
    return exitCode;
  } finally {
    stop.end();
    showing.display.end();
  }
  showing.made(result, warnings);
  const iidFile = call.get("iidfile");
  if (iidFile !== undefined && result.imageId !== undefined) writeWhole(iidFile, result.imageId);
  const metadataFile = call.get("metadata-file");
  if (metadataFile !== undefined) writeWhole(metadataFile, `${JSON.stringify(result.metadata, null, 2)}\n`);
  if (quiet && result.imageId !== undefined && !stdoutIsTaken) process.stdout.write(`${result.imageId}\n`);
  return 0;
}

function optionsOf(call: Call): BuildOptions {
  const buildArgs = buildArgsOf(call);
  const epoch = buildArgs.SOURCE_DATE_EPOCH ?? process.env.SOURCE_DATE_EPOCH;
  if (epoch !== undefined && epoch !== "") buildArgs.SOURCE_DATE_EPOCH = epoch;
  const network = networkOf(call);
  const text = (name: "file" | "target" | "root") => {
    const value = call.get(name);
    return value === undefined || value === "" ? {} : { [name]: value };
  };
  return {
    context: call.args[0] as string,
    ...(call.args[0] === "-" || call.get("file") === "-" ? { stdin: process.stdin } : {}),
    stdout: process.stdout,
    tags: call.all("tag").map((name) => checkedName(name)),
    buildArgs,
    labels: pairsOf(call, "label", () => ""),
    buildContexts: buildContextsOf(call),
    noCache: call.is("no-cache") || call.all("no-cache-filter").flatMap((stages) => stages.split(",")),
    pull: call.is("pull"),
    push: call.is("push"),
    load: call.is("load"),
    platforms: platformsOf(call),
    annotations: call.all("annotation").flatMap(parseAnnotation),
    outputs: outputsOf(call),
    ...(epoch === undefined || epoch === "" ? {} : { sourceDateEpoch: secondsOf(epoch) }),
    ...defined({ network }),
    ...text("file"),
    ...text("target"),
    ...text("root"),
  };
}

/** A name that no image can have is found out before anything is built. */
function checkedName(name: string): string {
  const reference = referenceOf(name);
  if (reference.digest === undefined) return name;
  throw new BuildError(
    "invalid-argument",
    `invalid tag ${JSON.stringify(name)}: a name for an image has no digest`,
  );
}

function referenceOf(name: string): Reference {
  try {
    return parseReference(name);
  } catch (error) {
    const { code, message, hint } = toBuildError(error);
    throw new BuildError(code, `invalid tag ${JSON.stringify(name)}: ${message}`, { hint });
  }
}

function outputsOf(call: Call): readonly Output[] {
  const outputs = call.all("output").map(parseOutput);
  const toStdout = outputs.filter(isStdout).length;
  if (toStdout > 1)
    throw new BuildError("invalid-argument", "only one output can go to standard output", {
      hint: "give the others a dest",
    });
  if (toStdout === 1 && process.stdout.isTTY)
    throw new BuildError(
      "failed-precondition",
      "the output is an archive, and standard output is a terminal",
      {
        hint: "give it a file with dest=FILE, or use a pipe",
      },
    );
  if (outputs.length === 0) return [{ type: "image", names: [] }];
  if ((call.is("load") || call.is("push")) && !outputs.some(({ type }) => type === "image"))
    return [{ type: "image", names: [] }, ...outputs];
  return outputs;
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(seconds) && seconds >= 0) return seconds;
  throw new BuildError(
    "invalid-argument",
    `SOURCE_DATE_EPOCH is no number of seconds: ${JSON.stringify(text)}`,
  );
}
