import { type Platform, parseReference } from "../../core/index.ts";
import type { FromInstruction } from "../instructions/types.ts";
import type { Expansion } from "../shell/types.ts";
import { suggest } from "../suggest.ts";
import { type Warning, warningOf } from "./rules.ts";

/** A FROM that uses an argument which no global ARG declares. */
export function undeclaredArgWarnings(
  unmatched: ReadonlySet<string>,
  declared: ReadonlySet<string>,
  from: FromInstruction,
): Warning[] {
  return [...unmatched]
    .filter((name) => !declared.has(name))
    .map((name) => {
      const near = suggest(name, declared);
      const message = `FROM argument '${name}' is not declared${near ? ` (did you mean ${near}?)` : ""}`;
      return warningOf("UndefinedArgInFrom", message, [from.range], from.node.comments);
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
    return [warningOf("RedundantTargetPlatform", message, [from.range], from.node.comments)];
  }
  const name = from.stageName ?? "";
  const constant = matched.size === 0 && unmatched.size === 0;
  if (!constant || name.includes(platform.os) || name.includes(platform.architecture)) return [];
  const message = `FROM --platform flag should not use constant value ${JSON.stringify(text)}`;
  return [warningOf("FromPlatformFlagConstDisallowed", message, [from.range], from.node.comments)];
}

/** A FROM whose base is no name when nobody gives a value for the ARGs that it uses; `base` is what it is then. */
export function defaultBaseWarnings(from: FromInstruction, base: string): Warning[] {
  if (isImageName(base)) return [];
  const message = `Default value for ARG ${from.base} results in empty or invalid base image name`;
  return [warningOf("InvalidDefaultArgInFrom", message, [from.range])];
}

function isImageName(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}
