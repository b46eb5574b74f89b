import { type CallOptions, checkBuild, outlineBuild, targetsOfBuild } from "../../build/index.ts";
import { BuildError, type BuildEvent, type EventSink, nearest } from "../../core/index.ts";
import { checkErrorText, checkJson, checkText, outlineText, targetsText } from "../call-text.ts";
import type { Call } from "../command.ts";
import { interruption } from "../interruption.ts";
import type { Display, Terminal } from "../progress/index.ts";

/** What is asked for instead of a build: `--call check,format=json`. */
export interface CallRequest {
  readonly name: "check" | "outline" | "targets";
  readonly json: boolean;
  /** Findings do not make the exit status 1. */
  readonly ignoreStatus: boolean;
}

const names = ["check", "outline", "targets"] as const;

/** `--call` and `--check` of a build; undefined when it is a build. */
export function callRequestOf(call: Call): CallRequest | undefined {
  const text = call.get("call") ?? (call.is("check") ? "check" : "build");
  let name: string | undefined;
  let format = "text";
  let ignoreStatus = false;
  for (const field of text.split(",")) {
    const [key, value] = field.split(/=(.*)/s);
    if (value === undefined) {
      if (name !== undefined) throw invalidCall(`invalid print value: ${text}`);
      name = key;
    } else if (key === "format") format = value;
    else if (key === "ignorestatus") ignoreStatus = booleanOf(value);
    else throw invalidCall(`invalid print field: ${field}`, "format or ignorestatus");
  }
  if (format !== "json" && format !== "text" && format !== "")
    throw invalidCall(`unknown format ${JSON.stringify(format)}`, "format=text or format=json");
  if (name === "build" || name === "") return undefined;
  const known = name === "lint" ? "check" : names.find((candidate) => candidate === name);
  if (known !== undefined) return { name: known, json: format === "json", ignoreStatus };
  const near = nearest(name ?? "", names);
  throw invalidCall(
    `unknown method ${JSON.stringify(name)}`,
    near === undefined ? `build, ${names.join(", ")}` : `did you mean ${near}?`,
  );
}

function booleanOf(text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw invalidCall(`invalid ignorestatus print value: ${text}`);
}

function invalidCall(message: string, hint?: string): BuildError {
  return new BuildError("invalid-argument", `--call: ${message}`, { hint });
}

/** Asks, and returns what is to be printed on standard output and the exit status. */
async function answerCall(
  request: CallRequest,
  options: CallOptions & { readonly onEvent: EventSink },
): Promise<{ stdout: string; stderr: string; status: number }> {
  const print = <T>(value: T, text: (value: T) => string) =>
    request.json ? `${JSON.stringify(value, null, 2)}\n` : text(value);
  if (request.name === "outline")
    return { stdout: print(await outlineBuild(options), outlineText), stderr: "", status: 0 };
  if (request.name === "targets")
    return { stdout: print(await targetsOfBuild(options), targetsText), stderr: "", status: 0 };
  const result = await checkBuild(options);
  const { error, warnings, file } = result;
  const status = error !== undefined || (warnings.length > 0 && !request.ignoreStatus) ? 1 : 0;
  return {
    stdout: request.json ? `${JSON.stringify(checkJson(result), null, 2)}\n` : checkText(result),
    stderr: error === undefined ? "" : checkErrorText(error, file),
    status,
  };
}

/** Answers on standard output; returns the exit status. */
export async function runCall(
  request: CallRequest,
  options: CallOptions,
  display: Display,
  terminal: Terminal,
): Promise<number> {
  const stop = interruption();
  let answer: Awaited<ReturnType<typeof answerCall>>;
  try {
    const onEvent = (event: BuildEvent) => display.event(event);
    answer = await answerCall(request, { ...options, signal: stop.signal, onEvent });
  } finally {
    stop.end();
    display.end();
  }
  process.stdout.write(answer.stdout);
  terminal.write(answer.stderr);
  return answer.status;
}
