import { BuildError } from "../../core/index.ts";

/**
 * Patterns of `${name#…}`, `${name%…}` and `${name/…}`: `*` stands for any text, `?` for one character;
 * `\` protects `*`, `?` and `\`, and before `}` or `/` it only keeps these from ending the pattern.
 * Matching takes time proportional to value × pattern at worst, whatever the pattern.
 */
interface Pattern {
  /** What lies between the stars: characters, and `undefined` for `?`. At least one segment. */
  readonly segments: readonly (readonly (string | undefined)[])[];
}

function parsePattern(text: string): Pattern {
  const segments: (string | undefined)[][] = [[]];
  const chars = [...text];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i]!;
    const segment = segments.at(-1)!;
    if (char === "*") segments.push([]);
    else if (char === "?") segment.push(undefined);
    else if (char !== "\\") segment.push(char);
    else {
      const next = chars[i + 1];
      if (next === "}" || next === "/") continue;
      if (next !== "*" && next !== "?" && next !== "\\")
        throw new BuildError(
          "invalid-argument",
          `invalid pattern (${text}) in substitution: invalid escape '\\${next ?? ""}'`,
        );
      segment.push(next);
      i++;
    }
  }
  return { segments };
}

/** Removes the shortest, or with `greedy` the longest, match at the start. */
export function removePrefix(value: string, pattern: string, greedy: boolean): string {
  const chars = [...value];
  const end = matchAt(chars, 0, parsePattern(pattern), greedy);
  return end === undefined ? value : chars.slice(end).join("");
}

/** Removes the shortest, or with `greedy` the longest, match at the end. */
export function removeSuffix(value: string, pattern: string, greedy: boolean): string {
  const chars = [...value].reverse();
  const { segments } = parsePattern(pattern);
  const reversed = { segments: segments.map((segment) => [...segment].reverse()).reverse() };
  const end = matchAt(chars, 0, reversed, greedy);
  return end === undefined ? value : chars.slice(end).reverse().join("");
}

/** Replaces the first, or with `all` every, longest match. With `all`, `replacement` is a template: see `expandTemplate`. */
export function replacePattern(value: string, pattern: string, replacement: string, all: boolean): string {
  const parsed = parsePattern(pattern);
  const chars = [...value];
  let result = "";
  let copied = 0;
  let lastEnd = -1;
  for (let at = 0; at <= chars.length; ) {
    const match = search(chars, at, parsed);
    if (match === undefined) break;
    const [start, end] = match;
    // An empty match right behind a match is none, as in Go's regexp package.
    if (end > start || start !== lastEnd) {
      const before = chars.slice(copied, start).join("");
      result += before + (all ? expandTemplate(replacement, chars.slice(start, end).join("")) : replacement);
      copied = end;
      lastEnd = end;
      if (!all) break;
    }
    at = end > start ? end : start + 1;
  }
  return result + chars.slice(copied).join("");
}

/**
 * What Go's `ReplaceAllString`, by which BuildKit replaces all, makes of its template: `$0` is the match, `$name` a group
 * that there is none of, `$$` a dollar sign.
 */
function expandTemplate(template: string, match: string): string {
  return template.replace(/\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu, (text, plain, braced) => {
    if (text === "$$") return "$";
    return (plain ?? braced) === "0" ? match : "";
  });
}

/** First and longest match at or behind `from`. */
function search(chars: readonly string[], from: number, pattern: Pattern): [number, number] | undefined {
  const first = pattern.segments[0]!;
  const start = find(chars, from, first);
  if (start === undefined) return undefined;
  // A later start leaves less for the other segments, so the first is the only one to try.
  const end = matchAt(chars, start, pattern, true);
  return end === undefined ? undefined : [start, end];
}

/** End of the shortest or longest match that begins at `start`. */
function matchAt(
  chars: readonly string[],
  start: number,
  pattern: Pattern,
  longest: boolean,
): number | undefined {
  const { segments } = pattern;
  if (!fits(chars, start, segments[0]!)) return undefined;
  let at = start + segments[0]!.length;
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i]!;
    const last = longest && i === segments.length - 1;
    const found = last ? findLast(chars, at, segment) : find(chars, at, segment);
    if (found === undefined) return undefined;
    at = found + segment.length;
  }
  return at;
}

function find(
  chars: readonly string[],
  from: number,
  segment: readonly (string | undefined)[],
): number | undefined {
  for (let at = from; at + segment.length <= chars.length; at++) if (fits(chars, at, segment)) return at;
  return undefined;
}

function findLast(
  chars: readonly string[],
  from: number,
  segment: readonly (string | undefined)[],
): number | undefined {
  for (let at = chars.length - segment.length; at >= from; at--) if (fits(chars, at, segment)) return at;
  return undefined;
}

function fits(chars: readonly string[], at: number, segment: readonly (string | undefined)[]): boolean {
  if (at + segment.length > chars.length) return false;
  return segment.every((char, i) => char === undefined || char === chars[at + i]);
}
