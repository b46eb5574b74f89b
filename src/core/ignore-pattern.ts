import { BuildError } from "./errors.ts";

/** One element of a pattern. */
type Token =
  | { readonly kind: "char"; readonly char: string }
  /** `?` */
  | { readonly kind: "any" }
  /** `*`: any text without a slash. */
  | { readonly kind: "star" }
  /** `**` at the end: any text. */
  | { readonly kind: "rest" }
  /** `**` elsewhere, `slash` when a slash follows: nothing, or any text that ends in a slash. */
  | { readonly kind: "directories"; readonly slash: boolean }
  | {
      readonly kind: "class";
      readonly negated: boolean;
      readonly ranges: readonly (readonly [string, string])[];
    };

/** Whether a path, relative and with slashes, matches a pattern as a whole. */
export type PathTest = (path: string) => boolean;

/** More wildcards than this are matched without backtracking, which could take very long. */
const maxBacktracking = 3;

/**
 * Compiles a cleaned pattern (no leading `!`, no `.`/`..` elements) of a `.dockerignore`. Throws
 * `invalid-argument` for bad syntax.
 *
 * Follows moby/patternmatcher, its oddities included: a leading `**` makes the rest a plain suffix (`**foo`
 * matches `barfoo`), `a/**` does not match `a`, and a negated class matches a slash. Not followed where
 * its translation into a regular expression lets foreign syntax through: `\d` here is the letter d.
 */
export function compilePattern(pattern: string): PathTest {
  const tokens = tokenise(pattern);
  return fixedTest(tokens) ?? wildcardTest(tokens);
}

function bad(pattern: string, what: string): never {
  throw new BuildError("invalid-argument", "syntax error in pattern", {
    hint: `${JSON.stringify(pattern)}: ${what}`,
  });
}

/** For tests of the two ways of matching. */
export function tokenise(pattern: string): Token[] {
  const chars = [...pattern];
  const tokens: Token[] = [];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i]!;
    if (char === "*" && chars[i + 1] === "*") {
      const slash = chars[i + 2] === "/";
      i += slash ? 2 : 1;
      tokens.push(i + 1 >= chars.length ? { kind: "rest" } : { kind: "directories", slash });
    } else if (char === "*") tokens.push({ kind: "star" });
    else if (char === "?") tokens.push({ kind: "any" });
    else if (char === "[") {
      const { token, end } = readClass(pattern, chars, i + 1);
      tokens.push(token);
      i = end;
    } else if (char === "\\") {
      const next = chars[++i] ?? bad(pattern, "nothing behind \\");
      tokens.push({ kind: "char", char: next });
    } else tokens.push({ kind: "char", char });
  }
  return tokens;
}

/** Reads a class such as `[a-z]` or `[^0-9]`, as Go's `filepath.Match` does; `end` is where its `]` is. */
function readClass(pattern: string, chars: readonly string[], start: number): { token: Token; end: number } {
  let at = start;
  const negated = chars[at] === "^";
  if (negated) at++;
  const ranges: (readonly [string, string])[] = [];
  const bound = (): string => {
    const char = chars[at++];
    if (char === undefined || char === "-" || char === "]") bad(pattern, "bad class");
    return char === "\\" ? (chars[at++] ?? bad(pattern, "nothing behind \\")) : char;
  };
  while (chars[at] !== "]" || ranges.length === 0) {
    const low = bound();
    if (chars[at] !== "-") ranges.push([low, low]);
    else {
      at++;
      ranges.push([low, bound()]);
    }
    if (at >= chars.length) bad(pattern, "class without ]");
    if (ranges.at(-1)![0].codePointAt(0)! > ranges.at(-1)![1].codePointAt(0)!)
      bad(pattern, "empty range in class");
  }
  return { token: { kind: "class", negated, ranges }, end: at };
}

function literal(tokens: readonly Token[]): string | undefined {
  let text = "";
  for (const token of tokens) {
    if (token.kind !== "char") return undefined;
    text += token.char;
  }
  return text;
}

/** Patterns whose only wildcard is a `**` at one end are compared as strings. */
function fixedTest(tokens: readonly Token[]): PathTest | undefined {
  const exact = literal(tokens);
  if (exact !== undefined) return (path) => path === exact;
  const prefix = tokens.at(-1)?.kind === "rest" ? literal(tokens.slice(0, -1)) : undefined;
  if (prefix !== undefined) return (path) => path.startsWith(prefix);
  const first = tokens[0];
  const suffix = first?.kind === "directories" ? literal(tokens.slice(1)) : undefined;
  if (first?.kind !== "directories" || suffix === undefined) return undefined;
  if (!first.slash) return (path) => path.endsWith(suffix);
  const below = `/${suffix}`;
  return (path) => path === suffix || path.endsWith(below);
}

function wildcardTest(tokens: readonly Token[]): PathTest {
  const wild = tokens.filter(
    ({ kind }) => kind === "star" || kind === "directories" || kind === "rest",
  ).length;
  return wild > maxBacktracking ? linearTest(tokens) : regularTest(tokens);
}

export function regularTest(tokens: readonly Token[]): PathTest {
  const expression = new RegExp(`^${tokens.map(expressionOf).join("")}$`, "u");
  return (path) => expression.test(path);
}

function expressionOf(token: Token): string {
  switch (token.kind) {
    case "char":
      return /\w/.test(token.char) ? token.char : inClass(token.char);
    case "any":
      return "[^/]";
    case "star":
      return "[^/]*";
    case "rest":
      return "[^\\n]*";
    case "directories":
      return "(?:[^\\n]*/)?";
    case "class": {
      const ranges = token.ranges.map(([low, high]) => `${inClass(low)}-${inClass(high)}`).join("");
      return `[${token.negated ? "^" : ""}${ranges}]`;
    }
  }
}

function inClass(char: string): string {
  return `\\u{${char.codePointAt(0)!.toString(16)}}`;
}

/** Follows all possible matches at once: time is path × pattern at worst. */
export function linearTest(tokens: readonly Token[]): PathTest {
  const size = tokens.length + 1;
  return (path) => {
    let now = new Uint8Array(size);
    let inside = new Uint8Array(size);
    now[0] = 1;
    skipEmpty(tokens, now);
    for (const char of path) {
      const next = new Uint8Array(size);
      const nextInside = new Uint8Array(size);
      for (let i = 0; i < tokens.length; i++)
        if (now[i] || inside[i]) advance(tokens[i]!, i, char, Boolean(now[i]), next, nextInside);
      skipEmpty(tokens, next);
      now = next;
      inside = nextInside;
    }
    return now[tokens.length] === 1;
  };
}

/** Wildcards that may stand for nothing pass their state on. */
function skipEmpty(tokens: readonly Token[], states: Uint8Array): void {
  for (let i = 0; i < tokens.length; i++) {
    const { kind } = tokens[i]!;
    if (states[i] && (kind === "star" || kind === "rest" || kind === "directories")) states[i + 1] = 1;
  }
}

/** What state `i` becomes when `char` is read. `inside` marks a `**` that waits for its slash. */
function advance(
  token: Token,
  i: number,
  char: string,
  fresh: boolean,
  next: Uint8Array,
  inside: Uint8Array,
): void {
  switch (token.kind) {
    case "char":
      if (fresh && token.char === char) next[i + 1] = 1;
      break;
    case "any":
      if (fresh && char !== "/") next[i + 1] = 1;
      break;
    case "star":
      if (fresh && char !== "/") next[i] = 1;
      break;
    case "rest":
      if (fresh && char !== "\n") next[i] = 1;
      break;
    case "directories":
      if (char === "\n") break;
      inside[i] = 1;
      if (char === "/") next[i + 1] = 1;
      break;
    case "class":
      if (fresh && token.ranges.some(([low, high]) => inRange(char, low, high)) !== token.negated)
        next[i + 1] = 1;
      break;
  }
}

function inRange(char: string, low: string, high: string): boolean {
  const code = char.codePointAt(0)!;
  return low.codePointAt(0)! <= code && code <= high.codePointAt(0)!;
}
