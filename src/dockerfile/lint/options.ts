import { BuildError, goText } from "../../core/index.ts";
import type { Dockerfile } from "../parser/ast.ts";
import { locate } from "../stages/locate.ts";
import { isExperimental, type Warning } from "./rules.ts";

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
    else if (key === "error") error = goText.parseBool(value) ?? invalidBoolean(part, value);
    else throw invalidOption(`invalid check option ${JSON.stringify(equals < 0 ? part : key)}`);
  }
  return { skip, experimental, error };
}

function invalidBoolean(option: string, value: string): never {
  const reason = `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`;
  throw invalidOption(`failed to parse check option ${JSON.stringify(option)}: ${reason}`);
}

function invalidOption(message: string): BuildError {
  return new BuildError("invalid-argument", message, { hint: "such as skip=RuleName,OtherRule;error=true" });
}

function ruleNames(value: string): ReadonlySet<string> | "all" {
  return value === "all" ? "all" : new Set(value.split(",").map((name) => name.trim()));
}

/**
 * The options that hold for the file: those of `argument`, the value of the build argument
 * BUILDKIT_DOCKERFILE_CHECK, when it is given, else those of its `check` directive; none are set without either.
 */
export function checkOptionsOf(dockerfile: Dockerfile, argument?: string): CheckOptions {
  if (argument !== undefined) return optionsOfArgument(argument);
  const directive = dockerfile.directives.find(({ name }) => name === "check");
  if (directive === undefined) return parseCheckOptions("");
  // White space ends the value, as in BuildKit.
  return locate(
    dockerfile.source,
    directive.range,
    () => parseCheckOptions(directive.value.split(" ", 1)[0]!),
    "failed to parse check options",
  );
}

function optionsOfArgument(argument: string): CheckOptions {
  try {
    return parseCheckOptions(argument);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const message = `failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: ${error.message}`;
    throw new BuildError(error.code, message, { hint: error.hint, cause: error });
  }
}

/**
 * The warnings that are to be shown: not those that the options skip, or a comment `# check=skip=…` right above the
 * instruction, nor those of experimental rules that neither asks for.
 */
export function shownWarnings<T extends Pick<Warning, "comments"> & { readonly rule: string }>(
  warnings: readonly T[],
  dockerfile: Dockerfile,
  options: CheckOptions = checkOptionsOf(dockerfile),
): T[] {
  return warnings.filter(({ rule, comments }) => {
    const own = optionsInComments(comments);
    if (isExperimental(rule)) return has(options.experimental, rule) || has(own?.experimental, rule);
    return !has(options.skip, rule) && !has(own?.skip, rule);
  });
}

function has(rules: ReadonlySet<string> | "all" | undefined, rule: string): boolean {
  return rules === "all" || rules?.has(rule) === true;
}

/** Those of the first comment that is of the form of a check directive; white space ends it. */
function optionsInComments(comments: readonly string[]): CheckOptions | undefined {
  for (const text of comments) {
    const option = /^check\s*=\s*(\S+)/i.exec(text)?.[1];
    if (option === undefined) continue;
    try {
      return parseCheckOptions(option);
    } catch {
      return undefined; // BuildKit takes no notice of it either
    }
  }
  return undefined;
}
