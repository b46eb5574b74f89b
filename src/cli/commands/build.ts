import { type BuildOptions, type BuildResult, build } from "../../build/index.ts";
import {
  BuildError,
  familiarReference,
  formatPlatform,
  parseReference,
  type WarningEvent,
} from "../../core/index.ts";
import { type Output, parseAnnotation, parseOutput } from "../../exporter/index.ts";
import type { Call, Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { failedProcess, legacyEnd } from "../legacy-text.ts";
import { createDisplay, progressKind, stderrTerminal, stdoutTerminal } from "../progress/index.ts";
import { legacyDisplay } from "../progress/legacy.ts";
import { stageTable } from "../stage-table.ts";
import { counted, shortId } from "../text-table.ts";
import { callRequestOf, runCall } from "./build-call.ts";
import { buildFlags } from "./build-flags.ts";
import { type Schedule, scheduleOf } from "./build-schedule.ts";
import { stepOptions } from "./build-steps.ts";
import { networkOf, pairsOf, platformsOf, writeWhole } from "./common.ts";

export const command: Command = {
  name: "build",
  summary: "Builds an image from a Dockerfile.",
  usage: "[OPTIONS] PATH",
  completes: "directory",
  flags: buildFlags,
  minArgs: 1,
  maxArgs: 1,
  examples: [
    "stagewright build -t app .",
    "stagewright build --target test -f docker/Dockerfile .",
    "stagewright build -o type=oci,dest=app.tar .",
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
  // The classic builder knows nothing of BUILDKIT_PROGRESS.
  const classic = schedule === "legacy" && !quiet && (call.get("progress") ?? "auto") === "auto";
  const display = classic ? legacyDisplay(stdoutTerminal(), options.context) : createDisplay(kind, terminal);
  const warnings: WarningEvent[] = [];
  const stop = interruption();
  let result: BuildResult;
  try {
    result = await build({
      ...options,
      schedule,
      signal: stop.signal,
      killSignal: stop.killSignal,
      onEvent(event) {
        if (event.kind === "warning") warnings.push(event);
        display.event(event);
      },
    });
  } catch (error) {
    const status = classic ? failedProcess(error) : undefined;
    if (status === undefined) throw error;
    terminal.write(status.message);
    return status.code;
  } finally {
    stop.end();
    display.end();
  }
  if (classic) {
    terminal.write(warningText(warnings));
    process.stdout.write(legacyEnd(result));
  } else if (kind !== "quiet" && kind !== "rawjson") {
    terminal.write(warningText(warnings));
    for (const { platform, sizes } of result.platforms) {
      const suffix = result.platforms.length > 1 ? ` for ${formatPlatform(platform)}` : "";
      terminal.write(`\n${stageTable(sizes, `${madeThing(result, options.outputs ?? [])}${suffix}`)}`);
    }
  }
  const iidFile = call.get("iidfile");
  if (iidFile !== undefined && result.imageId !== undefined) writeWhole(iidFile, result.imageId);
  const metadataFile = call.get("metadata-file");
  if (metadataFile !== undefined) writeWhole(metadataFile, `${JSON.stringify(result.metadata, null, 2)}\n`);
  const stdoutIsTaken = options.outputs?.some((output) => "dest" in output && output.dest === "-");
  if (quiet && result.imageId !== undefined && !stdoutIsTaken) process.stdout.write(`${result.imageId}\n`);
  return 0;
}

function optionsOf(call: Call): BuildOptions {
  const buildArgs = pairsOf(call, "build-arg");
  const epoch = buildArgs.SOURCE_DATE_EPOCH ?? process.env.SOURCE_DATE_EPOCH;
  if (epoch !== undefined && epoch !== "") buildArgs.SOURCE_DATE_EPOCH = epoch;
  const network = networkOf(call);
  const text = (name: "file" | "target" | "root") => {
    const value = call.get(name);
    return value === undefined || value === "" ? {} : { [name]: value };
  };
  return {
    context: call.args[0] as string,
    stdout: process.stdout,
    tags: call.all("tag").map((name) => checkedName(name)),
    buildArgs,
    labels: pairsOf(call, "label"),
    buildContexts: pairsOf(call, "build-context", {}),
    noCache: call.is("no-cache") || call.all("no-cache-filter").flatMap((stages) => stages.split(",")),
    pull: call.is("pull"),
    push: call.is("push"),
    platforms: platformsOf(call),
    annotations: call.all("annotation").flatMap(parseAnnotation),
    outputs: outputsOf(call),
    ...(epoch === undefined || epoch === "" ? {} : { sourceDateEpoch: secondsOf(epoch) }),
    ...(network === undefined ? {} : { network }),
    ...text("file"),
    ...text("target"),
    ...text("root"),
  };
}

/** A name that no image can have is found out before anything is built. */
function checkedName(name: string): string {
  const reference = parseReference(name);
  if (reference.digest === undefined) return name;
  throw new BuildError(
    "invalid-argument",
    `invalid tag ${JSON.stringify(name)}: a name for an image has no digest`,
  );
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

function isStdout(output: Output): boolean {
  return "dest" in output && output.dest === "-";
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(seconds) && seconds >= 0) return seconds;
  throw new BuildError(
    "invalid-argument",
    `SOURCE_DATE_EPOCH is no number of seconds: ${JSON.stringify(text)}`,
  );
}

/** What was made, for the last line: an image by its names, or files by where they are. */
function madeThing({ names, imageId }: BuildResult, outputs: readonly Output[]): string {
  if (names.length > 0)
    return `Image ${names.map((name) => familiarReference(parseReference(name))).join(", ")}`;
  if (imageId !== undefined) return `Image ${shortId(imageId)}`;
  const places = outputs.flatMap((output) => ("dest" in output && !isStdout(output) ? output.dest : []));
  return places.length === 0 ? "Root filesystem" : `Root filesystem in ${places.join(", ")}`;
}

function warningText(warnings: readonly WarningEvent[]): string {
  if (warnings.length === 0) return "";
  const lines = warnings.map(({ rule, short, ranges }) => {
    const line = ranges?.[0]?.start.line;
    return ` - ${rule === undefined ? "" : `${rule}: `}${short}${line === undefined ? "" : ` (line ${line})`}\n`;
  });
  return `\n ${counted(warnings.length, "warning")} found:\n${lines.join("")}`;
}
