import type { BytePath } from "../core/index.ts";

/** Whether a name has characters that Go's filepath.Match treats specially (a backslash quotes the next one). */
export function hasWildcards(text: BytePath): boolean {
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "\\") i++;
    else if (char === "*" || char === "?" || char === "[") return true;
  }
  return false;
}

/**
 * Whether a name matches a pattern of one path component, as Go's filepath.Match has it: `*`, `?`, `[a-z]`, `[^a-z]`, `\x`.
 * `?` and classes take one UTF-8 character. A malformed pattern matches nothing.
 */
export function matchName(pattern: BytePath, name: BytePath): boolean {
  const tokens = tokensOf(pattern);
  return tokens !== undefined && matchTokens(tokens, charactersOf(name));
}

type Token =
  | { readonly kind: "any" }
  | { readonly kind: "one" }
  | { readonly kind: "char"; readonly char: string }
  | {
      readonly kind: "class";
      readonly negated: boolean;
      readonly ranges: readonly (readonly [number, number])[];
    };

/** Where a `*` took too little, the last one alone need take more: no other choice before it could help. */
function matchTokens(tokens: readonly Token[], chars: readonly string[]): boolean {
  let [t, c] = [0, 0];
  let star: { readonly token: number; taken: number } | undefined;
  while (c < chars.length) {
    const token = tokens[t];
    if (token?.kind === "any") star = { token: t++, taken: c };
    else if (token !== undefined && takes(token, chars[c]!)) [t, c] = [t + 1, c + 1];
    else if (star !== undefined) [t, c] = [star.token + 1, ++star.taken];
    else return false;
  }
  while (tokens[t]?.kind === "any") t++;
  return t === tokens.length;
}

function takes(token: Exclude<Token, { kind: "any" }>, char: string): boolean {
  if (token.kind === "char") return token.char === char;
  return token.kind === "one" || inClass(token, char);
}

function inClass(token: Token & { kind: "class" }, char: string): boolean {
  const code = char.codePointAt(0)!;
  return token.ranges.some(([low, high]) => low <= code && code <= high) !== token.negated;
}

function tokensOf(pattern: BytePath): Token[] | undefined {
  const chars = charactersOf(pattern);
  const tokens: Token[] = [];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i]!;
    if (char === "*") {
      if (tokens.at(-1)?.kind !== "any") tokens.push({ kind: "any" });
    } else if (char === "?") tokens.push({ kind: "one" });
    else if (char === "[") {
      const parsed = classAt(chars, i + 1);
      if (parsed === undefined) return undefined;
      tokens.push(parsed.token);
      i = parsed.end;
    } else if (char === "\\") {
      const quoted = chars[++i];
      if (quoted === undefined) return undefined;
      tokens.push({ kind: "char", char: quoted });
    } else tokens.push({ kind: "char", char });
  }
  return tokens;
}

/** A class whose `[` is before `start`; `end` is the index of its `]`. */
function classAt(chars: readonly string[], start: number): { token: Token; end: number } | undefined {
  let i = start;
  const negated = chars[i] === "^";
  if (negated) i++;
  const ranges: [number, number][] = [];
  const one = (): number | undefined => {
    let char = chars[i];
    if (char === undefined || char === "-" || char === "]") return undefined;
    if (char === "\\") char = chars[++i];
    i++;
    return char?.codePointAt(0);
  };
  while (chars[i] !== "]" || ranges.length === 0) {
    const low = one();
    if (low === undefined) return undefined;
    let high: number | undefined = low;
    if (chars[i] === "-") {
      i++;
      high = one();
    }
    if (high === undefined || chars[i] === undefined) return undefined;
    ranges.push([low, high]);
  }
  return { token: { kind: "class", negated, ranges }, end: i };
}

/** Characters of a byte string: UTF-8 where it is valid, single bytes where not. */
function charactersOf(bytes: BytePath): readonly string[] {
  if (!/[\x80-\xff]/.test(bytes)) return [...bytes];
  const text = Buffer.from(bytes, "latin1").toString("utf8");
  return text.includes("\ufffd") ? [...bytes] : [...text];
}
