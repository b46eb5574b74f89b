import type { Platform, SourceRange } from "../../core/index.ts";
import type { FromInstruction } from "../instructions/types.ts";
import type { Expansion } from "../shell/types.ts";
import { suggest } from "../suggest.ts";
import { type Warning, warningOf } from "./rules.ts";

/** A FROM that uses an argument which no global ARG declares. */
export function undeclaredArgWarnings(
  unmatched: ReadonlySet<string>,
  declared: ReadonlySet<string>,
  range: SourceRange,
): Warning[] {
  return [...unmatched]
    .filter((name) => !declared.has(name))
    .map((name) => {
      const near = suggest(name, declared);
      const message = `FROM argument '${name}' is not declared${near ? ` (did you mean ${near}?)` : ""}`;
      return warningOf("UndefinedArgInFrom", message, [range]);
    });
}

/** `--platform=$TARGETPLATFORM`, which is the default, or a constant, which ties the image to one platform. */
export function platformWarnings(
  from: FromInstruction,
  expansion: Expansion,
  platform: Platform,
  scope: ReadonlyMap<string, string>,
): Warning[] {
  const { matched, unmatched, text } = expansion;
  const written = from.platform ?? "";
  if (matched.size === 1 && unmatched.size === 0 && matched.has("TARGETPLATFORM")) {
    if (text !== scope.get("TARGETPLATFORM")) return [];
    const message = `Setting platform to predefined ${written} in FROM is redundant as this is the default behavior`;
    return [warningOf("RedundantTargetPlatform", message, [from.range])];
  }
  const name = from.stageName ?? "";
  const constant = matched.size === 0 && unmatched.size === 0;
  if (!constant || name.includes(platform.os) || name.includes(platform.architecture)) return [];
  const message = `FROM --platform flag should not use constant value ${JSON.stringify(text)}`;
  return [warningOf("FromPlatformFlagConstDisallowed", message, [from.range])];
}
