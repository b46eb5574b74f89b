import { posix } from "node:path";
import { BuildError } from "./errors.ts";
import { compilePattern, type PathTest } from "./ignore-pattern.ts";

/** The patterns of a `.dockerignore`, cleaned: what BuildKit passes on as exclude patterns. */
export interface IgnoreFile {
  /** Name for messages. */
  readonly name: string;
  readonly patterns: readonly string[];
  /** Line of each pattern, from 1. */
  readonly lines: readonly number[];
}

/** One pattern in effect. */
export interface IgnoreRule {
  /** Cleaned, without `!`. */
  readonly pattern: string;
  /** `!`: takes paths back in that an earlier rule excluded. */
  readonly exception: boolean;
  /** Line in the ignore file, where the patterns came from one. */
  readonly line?: number;
}

/** What is known about a directory, for the entries in it. */
export interface IgnoredDirectory {
  readonly excluded: boolean;
  /** Nothing below can be included: it need not be read. */
  readonly skip: boolean;
  /** By rule, whether it matched the directory or one above. */
  readonly matched: Uint8Array;
}

/**
 * Decides which paths are ignored. Paths are text, relative, with slashes, without `.`, `..` or a trailing
 * slash (`textOf` makes text of a byte path). Later rules win over earlier ones.
 */
export interface IgnoreMatcher {
  readonly rules: readonly IgnoreRule[];
  readonly hasExceptions: boolean;
  /**
   * Whether the path, or a directory above it, is excluded. The root (`""`, `"."`) never is. Where an exception
   * matches only a directory and an earlier rule an entry in it, this says included and a walk excluded: so do
   * BuildKit's check of COPY sources and its transfer of the context.
   */
  excludes(path: string): boolean;
  /** The rule that excludes the path in a walk; undefined when it is not excluded. */
  explain(path: string): IgnoreRule | undefined;
  /** For a walk: result for a directory, reusing that of its parent; no parent for entries of the root. */
  enter(path: string, parent?: IgnoredDirectory): IgnoredDirectory;
  /** For a walk: whether an entry that is no directory is excluded. */
  excludesEntry(path: string, parent?: IgnoredDirectory): boolean;
}

/**
 * Reads a `.dockerignore`: one pattern a line; blank lines and lines that begin with `#` mean nothing; white
 * space around a pattern and a leading slash are dropped; `!` makes an exception.
 */
export function readIgnoreFile(content: Uint8Array | string, name = ".dockerignore"): IgnoreFile {
  const text = typeof content === "string" ? content : new TextDecoder().decode(content);
  const patterns: string[] = [];
  const lines: number[] = [];
  for (const [index, line] of text
    .replace(/^\ufeff/, "")
    .split("\n")
    .entries()) {
    const pattern = line.startsWith("#") ? "" : line.trim();
    if (pattern === "") continue;
    const exception = pattern.startsWith("!");
    const path = exception ? pattern.slice(1).trim() : pattern;
    patterns.push((exception ? "!" : "") + relative(path));
    lines.push(index + 1);
  }
  return { name, patterns, lines };
}

function relative(path: string): string {
  if (path === "") return "";
  const cleaned = clean(path);
  return cleaned.length > 1 && cleaned.startsWith("/") ? cleaned.slice(1) : cleaned;
}

/** The shortest path of the same meaning, without a trailing slash. */
function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

interface CompiledRule extends IgnoreRule {
  readonly test: PathTest;
}

/**
 * Compiles patterns, with the semantics of moby/patternmatcher. Throws `invalid-argument` for a bad pattern,
 * with its line where it comes from a file.
 */
export function createIgnoreMatcher(source: IgnoreFile | readonly string[]): IgnoreMatcher {
  const file = "patterns" in source ? source : undefined;
  const rules = (file?.patterns ?? (source as readonly string[])).flatMap((pattern, i) =>
    compileRule(pattern, file, file?.lines[i]),
  );
  const exceptions = rules.filter((rule) => rule.exception).map((rule) => fixedPart(rule.pattern));
  return {
    rules,
    hasExceptions: exceptions.length > 0,
    excludes: (path) => isExcluding(decide(rules, path)),
    explain: (path) => explain(rules, path),
    enter: (path, parent) => enter(rules, exceptions, path, parent),
    excludesEntry: (path, parent) => isExcluding(match(rules, path, parent?.matched, undefined)),
  };
}

function compileRule(text: string, file: IgnoreFile | undefined, line: number | undefined): CompiledRule[] {
  const trimmed = text.trim();
  if (trimmed === "") return [];
  const cleaned = clean(trimmed);
  const exception = cleaned.startsWith("!");
  const pattern = exception ? cleaned.slice(1) : cleaned;
  try {
    if (pattern === "")
      throw new BuildError("invalid-argument", `illegal exclusion pattern: ${JSON.stringify(cleaned)}`);
    return [{ pattern, exception, test: compilePattern(pattern), ...(line === undefined ? {} : { line }) }];
  } catch (error) {
    if (!(error instanceof BuildError) || file === undefined) throw error;
    const hint = [`line ${line} of ${file.name}`, error.hint].filter((part) => part !== undefined).join(": ");
    throw new BuildError(error.code, error.message, { hint, cause: error });
  }
}

function isExcluding(rule: IgnoreRule | undefined): boolean {
  return rule !== undefined && !rule.exception;
}

/** The last rule that changes the outcome for a path, looking at the directories above it too. */
function decide(rules: readonly CompiledRule[], path: string): CompiledRule | undefined {
  if (path === "" || path === ".") return undefined;
  const parents = directoriesAbove(path);
  let decision: CompiledRule | undefined;
  for (const rule of rules) {
    // Only a rule that could change the outcome so far is looked at.
    if (rule.exception !== isExcluding(decision)) continue;
    if (rule.test(path) || parents.some(rule.test)) decision = rule;
  }
  return decision;
}

function directoriesAbove(path: string): string[] {
  const found: string[] = [];
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) found.push(path.slice(0, at));
  return found;
}

/** The rule that decides in a walk. `parent` tells which rules matched the directory, `matched` receives the same for `path`. */
function match(
  rules: readonly CompiledRule[],
  path: string,
  parent: Uint8Array | undefined,
  matched: Uint8Array | undefined,
): CompiledRule | undefined {
  let decision: CompiledRule | undefined;
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!;
    const inherited = parent?.[i] === 1;
    if (!inherited && (rule.exception !== isExcluding(decision) || !rule.test(path))) continue;
    if (matched !== undefined) matched[i] = 1;
    if (rule.exception === isExcluding(decision)) decision = rule;
  }
  return decision;
}

function explain(rules: readonly CompiledRule[], path: string): CompiledRule | undefined {
  if (path === "" || path === ".") return undefined;
  let parent: Uint8Array | undefined;
  for (const directory of directoriesAbove(path)) {
    const matched = new Uint8Array(rules.length);
    match(rules, directory, parent, matched);
    parent = matched;
  }
  const rule = match(rules, path, parent, undefined);
  return isExcluding(rule) ? rule : undefined;
}

function enter(
  rules: readonly CompiledRule[],
  exceptions: readonly (string | undefined)[],
  path: string,
  parent: IgnoredDirectory | undefined,
): IgnoredDirectory {
  const matched = new Uint8Array(rules.length);
  const excluded = isExcluding(match(rules, path, parent?.matched, matched));
  const below = `${path}/`;
  const mayInclude = exceptions.some((exception) => exception === undefined || exception.startsWith(below));
  return { excluded, skip: excluded && !mayInclude, matched };
}

/** An exception's pattern with a slash behind it, when it names one place; undefined when wildcards let it match anywhere. */
function fixedPart(pattern: string): string | undefined {
  const path = pattern.replace(/\/\*\*$/, "").replace(/\/\*$/, "");
  return /[*[\]?^\\]/.test(path) ? undefined : `${path}/`;
}
