import {
  BuildError,
  defined,
  type Platform,
  parsePlatforms,
  replaceFile,
  toBuildError,
} from "../../core/index.ts";
import { openStore, type Store } from "../../store/index.ts";
import type { Call, Flag } from "../command.ts";

/** `--root`, which every command that works with the store has. */
export const rootFlag: Flag = {
  name: "root",
  completes: "directory",
  value: "DIR",
  help: "the store (default: $STAGEWRIGHT_ROOT)",
};

/** The store that the call is about. */
export function storeOf(call: Call): Store {
  const root = call.get("root");
  return openStore(defined({ root }));
}

/** `K=V` flags as a map, the last one of a name wins. `alone` gives the value of a lone `K`, or leaves it out. */
export function pairsOf(
  call: Call,
  flag: string,
  alone: (key: string) => string | undefined,
): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const text of call.all(flag)) {
    const at = text.indexOf("=");
    const key = at < 0 ? text : text.slice(0, at);
    if (key === "")
      throw new BuildError("invalid-argument", `--${flag} ${JSON.stringify(text)}: the name is missing`);
    const value = at < 0 ? alone(key) : text.slice(at + 1);
    if (value !== undefined) pairs[key] = value;
  }
  return pairs;
}

/** `--build-arg`: a lone name takes its value from the environment. */
export function buildArgsOf(call: Call): Record<string, string> {
  return pairsOf(call, "build-arg", (key) => process.env[key]);
}

/** `--build-context`: a name alone is none. */
export function buildContextsOf(call: Call): Record<string, string> {
  return pairsOf(call, "build-context", (key) => {
    throw new BuildError("invalid-argument", `invalid context value: ${key}, expected key=value`, {
      hint: "--build-context NAME=PATH, or NAME=docker-image://IMAGE",
    });
  });
}

/** `--platform`, where it was given; one only. */
export function platformOf(call: Call): Platform | undefined {
  const text = call.get("platform");
  if (text === undefined) return undefined;
  const [platform, ...more] = parsePlatforms(text);
  if (more.length === 0) return platform;
  throw new BuildError("invalid-argument", `--platform ${text}: one platform is expected here`);
}

/** `--platform` where several may be given, also by several flags; empty when there is none. */
export function platformsOf(call: Call): readonly Platform[] {
  const texts = call.all("platform").filter((text) => text !== "");
  return texts.length === 0 ? [] : parsePlatforms(texts.join(","));
}

/** `--network`, where it was given. */
export function networkOf(call: Call): "default" | "none" | "host" | undefined {
  const text = call.get("network");
  if (text === undefined || text === "default" || text === "none" || text === "host") return text;
  throw new BuildError("invalid-argument", `--network ${text}: default, none or host`);
}

/** Writes a small file whole or not at all. */
export function writeWhole(path: string, text: string): void {
  if (path === "/dev/stdout" || path === "-") {
    process.stdout.write(text);
    return;
  }
  try {
    replaceFile(path, text);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** The error of a file that could not be written, by the name that the user knows. */
export function cannotWrite(path: string, error: unknown): BuildError {
  const { code, message, hint } = toBuildError(error);
  return new BuildError(code, `cannot write ${path}: ${message.replace(/^.*: /s, "")}`, {
    hint,
    cause: error,
  });
}
