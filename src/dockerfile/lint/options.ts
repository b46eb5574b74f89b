import { BuildError } from "../../core/index.ts";
import { parseBool } from "../instructions/values.ts";
import type { Dockerfile } from "../parser/ast.ts";
import { locate } from "../stages/locate.ts";
import type { Warning } from "./rules.ts";

/** What `# check=` asks for. */
export interface CheckOptions {
  /** Rules that are not reported, or all. */
  readonly skip: ReadonlySet<string> | "all";
  /** Experimental rules that are reported, or all. */
  readonly experimental: ReadonlySet<string> | "all";
  /** Whether a warning fails the build. */
  readonly error: boolean;
}

/** Reads `skip=Rule,Rule;error=true;experimental=all`. Throws `invalid-argument`. */
export function parseCheckOptions(text: string): CheckOptions {
  let skip: CheckOptions["skip"] = new Set();
  let experimental: CheckOptions["experimental"] = new Set();
  let error = false;
  for (const part of text.trim() === "" ? [] : text.split(";")) {
    const equals = part.indexOf("=");
    const key = part.slice(0, Math.max(equals, 0)).trim();
    const value = part.slice(equals + 1).trim();
    if (key === "skip") skip = ruleNames(value);
    else if (key === "experimental") experimental = ruleNames(value);
    else if (key === "error" && parseBool(value) !== undefined) error = parseBool(value) ?? false;
    else
      throw new BuildError("invalid-argument", `invalid check option ${JSON.stringify(part)}`, {
        hint: "such as skip=RuleName,OtherRule;error=true",
      });
  }
  return { skip, experimental, error };
}

function ruleNames(value: string): ReadonlySet<string> | "all" {
  return value === "all" ? "all" : new Set(value.split(",").map((name) => name.trim()));
}

/** The file's own options; none are set without a `check` directive. */
export function checkOptionsOf(dockerfile: Dockerfile): CheckOptions {
  const directive = dockerfile.directives.find(({ name }) => name === "check");
  if (directive === undefined) return parseCheckOptions("");
  return locate(dockerfile.source, directive.range, () => parseCheckOptions(directive.value));
}

/**
 * The warnings that are to be shown: not those that the options skip, or a comment `# check=skip=…` right
 * above the instruction.
 */
export function shownWarnings(
  warnings: readonly Warning[],
  dockerfile: Dockerfile,
  options: CheckOptions = checkOptionsOf(dockerfile),
): Warning[] {
  return warnings.filter(
    ({ rule, ranges }) =>
      !skips(options, rule) && !ranges.some(({ start }) => skips(optionsAbove(dockerfile, start.line), rule)),
  );
}

function skips({ skip }: Pick<CheckOptions, "skip">, rule: string): boolean {
  return skip === "all" || skip.has(rule);
}

function optionsAbove(dockerfile: Dockerfile, line: number): Pick<CheckOptions, "skip"> {
  const { instructions } = dockerfile;
  let low = 0;
  for (let high = instructions.length; low + 1 < high; ) {
    const middle = (low + high) >> 1;
    if (instructions[middle]!.range.start.line <= line) low = middle;
    else high = middle;
  }
  const comments = instructions[low]?.comments ?? [];
  const option = comments.map((text) => /^check\s*=\s*(\S+)/i.exec(text)?.[1]).find(Boolean);
  if (option === undefined) return { skip: new Set() };
  try {
    return parseCheckOptions(option);
  } catch {
    return { skip: new Set() };
  }
}
