import { realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { type CheckResult, checkBuild, hasNoEntrypoint } from "../../build/index.ts";
import { BuildError, defined, replaceFile } from "../../core/index.ts";
import { type Advice, adviceFor, type Fix, fixDockerfile, shownAdvice } from "../../dockerfile/index.ts";
import { adviceText } from "../advice-text.ts";
import { checkErrorText, checkJson, checkText } from "../call-text.ts";
import type { Call, Command } from "../command.ts";
import { lineDiff } from "../line-diff.ts";
import { counted } from "../text-table.ts";
import { buildFlags } from "./build-flags.ts";
import { buildArgsOf, buildContextsOf, cannotWrite, platformOf, rootFlag } from "./common.ts";

const shared = new Set(["file", "target", "build-arg", "build-context", "platform"]);

export const command: Command = {
  name: "check",
  summary: "Checks a Dockerfile without building it, and mends what can be mended safely.",
  usage: "[OPTIONS] [PATH]",
  flags: [
    ...buildFlags.filter((flag) => shared.has(flag.name)),
    { name: "fix", help: "mend the file; comments and formatting stay" },
    { name: "dry-run", help: "show what --fix would change as a diff, and change nothing" },
    { name: "format", value: "KIND", completes: ["text", "json"], help: "text (default) or json" },
    rootFlag,
  ],
  minArgs: 0,
  maxArgs: 1,
  completes: "directory",
  examples: [
    "stagewright check .",
    "stagewright check --fix --dry-run .",
    "stagewright check --fix -f docker/Dockerfile .",
  ],
  run: runCheck,
};

async function runCheck(call: Call): Promise<number> {
  const format = call.get("format") ?? "text";
  if (format !== "text" && format !== "json")
    throw new BuildError("invalid-argument", `--format ${format}: text or json`);
  let checked = await check(call);
  if (call.is("dry-run")) {
    const { content, shown } = checked.result.file;
    process.stdout.write(lineDiff(shown, content.toString(), fixesFor(checked).text));
    return 0;
  }
  if (call.is("fix")) checked = await mend(call, checked);
  const { result, advice } = checked;
  if (format === "json")
    process.stdout.write(
      `${JSON.stringify({ ...(checkJson(result) as object), advice: adviceJson(advice) }, null, 2)}\n`,
    );
  else process.stdout.write(checkText(result) + adviceText(advice, result.file.shown) + unknownText(result));
  if (result.error !== undefined) process.stderr.write(checkErrorText(result.error, result.file));
  return result.error === undefined && result.warnings.length === 0 ? 0 : 1;
}

interface Checked {
  readonly result: CheckResult;
  readonly advice: readonly Advice[];
}

async function check(call: Call): Promise<Checked> {
  const text = (name: "file" | "target" | "root") => {
    const value = call.get(name);
    return value === undefined || value === "" ? {} : { [name]: value };
  };
  const platform = platformOf(call);
  const buildArgs = buildArgsOf(call);
  const result = await checkBuild({
    context: call.args[0] ?? ".",
    ...(call.args[0] === "-" || call.get("file") === "-" ? { stdin: process.stdin } : {}),
    buildArgs,
    buildContexts: buildContextsOf(call),
    offline: true,
    ...text("file"),
    ...text("target"),
    ...text("root"),
    ...defined({ platform }),
  });
  const { converted } = result;
  if (converted === undefined) return { result, advice: [] };
  const { dockerfile } = converted.source;
  const advice = shownAdvice(adviceFor(converted.graph), dockerfile, buildArgs.BUILDKIT_DOCKERFILE_CHECK);
  return { result, advice };
}

/** One mended mistake may show the next in the same place; more rounds than this find nothing. */
const rounds = 5;

/** Mends, says what has been mended, and returns what is left. */
async function mend(call: Call, first: Checked): Promise<Checked> {
  const context = resolve(call.args[0] ?? ".");
  if (call.get("file") === "-" || !statSync(context, { throwIfNoEntry: false })?.isDirectory())
    throw new BuildError("invalid-argument", "--fix needs a file of this machine, in a directory");
  const path = realpathSync(dockerfileOf(call, first.result));
  let checked = first;
  const done: Fix[] = [];
  for (let round = 0; round < rounds; round++) {
    const { text, fixes } = fixesFor(checked);
    if (fixes.length === 0) break;
    done.push(...fixes);
    rewrite(path, text);
    checked = await check(call);
  }
  const lines = done.map(({ rule, line }) => ` - ${rule} (line ${line})\n`);
  process.stderr.write(
    done.length === 0
      ? "Nothing to mend.\n"
      : `Mended ${counted(done.length, "finding")}:\n${lines.join("")}`,
  );
  return checked;
}

function dockerfileOf(call: Call, { file }: CheckResult): string {
  const given = call.get("file");
  return given === undefined || given === "" ? join(resolve(call.args[0] ?? "."), file.name) : resolve(given);
}

function fixesFor({ result, advice }: Checked): { text: string; fixes: readonly Fix[] } {
  const { converted, warnings, file } = result;
  if (converted === undefined) return { text: file.content.toString(), fixes: [] };
  const context = {
    source: converted.source,
    hasNoEntrypoint: (stage: number) => hasNoEntrypoint(result, stage),
  };
  return fixDockerfile(context, [...warnings, ...advice]);
}

function rewrite(path: string, text: string): void {
  try {
    replaceFile(path, text, { mode: statSync(path).mode & 0o7777 });
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

function adviceJson(advice: readonly Advice[]): unknown {
  return advice.map(({ rule, message, stage, ranges }) => ({
    rule,
    message,
    stage,
    line: ranges[0]?.start.line,
  }));
}

function unknownText({ unknownBases }: CheckResult): string {
  if (unknownBases.length === 0) return "";
  return `\nNot in the local store, so their variables and entry points are not known: ${unknownBases.join(", ")}\n`;
}
