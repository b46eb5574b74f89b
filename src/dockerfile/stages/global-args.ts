import { formatPlatform, type Platform } from "../../core/index.ts";
import type { ArgInstruction } from "../instructions/types.ts";
import type { SourceText } from "../parser/ast.ts";
import { expandWord } from "../shell/expand.ts";
import { locate } from "./locate.ts";

/**
 * The arguments that exist without being declared, in the global scope: `BUILDPLATFORM`, `TARGETARCH`,
 * `TARGETSTAGE` and so on. `overrides` are build arguments, which win.
 */
export function defaultGlobalArgs(
  build: Platform,
  target: Platform,
  targetName: string,
  overrides: Readonly<Record<string, string>> = {},
): Map<string, string> {
  const osVersion = target["os.version"] ?? "";
  const targetText = osVersion === "" ? formatPlatform(target) : withOsVersion(target, osVersion);
  const values: readonly (readonly [string, string])[] = [
    ["BUILDPLATFORM", formatPlatform(build)],
    ["BUILDOS", build.os],
    ["BUILDOSVERSION", build["os.version"] ?? ""],
    ["BUILDARCH", build.architecture],
    ["BUILDVARIANT", build.variant ?? ""],
    ["TARGETPLATFORM", targetText],
    ["TARGETOS", target.os],
    ["TARGETOSVERSION", osVersion],
    ["TARGETARCH", target.architecture],
    ["TARGETVARIANT", target.variant ?? ""],
    ["TARGETSTAGE", targetName || "default"],
  ];
  return new Map(values.map(([name, value]) => [name, overrideOf(overrides, name) ?? value]));
}

function withOsVersion(platform: Platform, version: string): string {
  return formatPlatform(platform).replace(platform.os, `${platform.os}(${version})`);
}

/** A build argument's value; names such as `constructor` are ordinary ones. */
function overrideOf(overrides: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(overrides, name) ? overrides[name] : undefined;
}

/**
 * Adds the ARGs before the first FROM to `scope`, in order; each default may use those before it. An ARG
 * without default and without build argument declares the name but sets nothing.
 */
export function addGlobalArgs(
  scope: Map<string, string>,
  instructions: readonly ArgInstruction[],
  buildArgs: Readonly<Record<string, string>>,
  source: SourceText,
  escapeToken: "\\" | "`",
): Map<string, string> {
  for (const instruction of instructions) {
    for (const { key, value, range } of instruction.args) {
      const given = overrideOf(buildArgs, key);
      if (given !== undefined) scope.set(key, given);
      else if (value !== undefined)
        scope.set(
          key,
          locate(source, range, () => expandWord(value, scope, { escape: escapeToken }).text),
        );
    }
  }
  return scope;
}
