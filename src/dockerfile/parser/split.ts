import { isSpace } from "../space.ts";
import { type Span, trimmedSpan } from "./logical-line.ts";

/** An instruction's name, flags and the rest. */
export interface SplitInstruction {
  readonly name: Span;
  readonly flags: readonly Span[];
  readonly rest: Span;
}

/** Splits `text[start, end)`. Flags are the words before the first that does not begin with `--`. */
export function splitInstruction(
  text: string,
  start: number,
  end: number,
  escapeToken: string,
): SplitInstruction {
  const line = trimmedSpan(text, start, end);
  const pieces = splitOnSpace(line, 2);
  const name = pieces[0]!;
  const args = pieces[1];
  if (args === undefined) return { name, flags: [], rest: { text: "", start: line.end, end: line.end } };
  const { flags, next } = readFlags(text, args.start, args.end, escapeToken);
  return { name, flags, rest: trimmedSpan(text, next, args.end) };
}

/** Splits at runs of blanks, into at most `limit` pieces. */
export function splitOnSpace(span: Span, limit = Number.POSITIVE_INFINITY): Span[] {
  const { text } = span;
  const pieces: Span[] = [];
  let from = 0;
  for (let at = 0; at < text.length && pieces.length + 1 < limit; at++) {
    if (!isBlank(text.charCodeAt(at))) continue;
    pieces.push(part(span, from, at));
    while (isBlank(text.charCodeAt(at + 1))) at++;
    from = at + 1;
  }
  pieces.push(part(span, from, text.length));
  return pieces;
}

/** What separates words where quotes mean nothing. Other white space of Unicode does not, nor does a line end. */
function isBlank(code: number): boolean {
  return code === 32 || code === 9 || (code >= 11 && code <= 13);
}

/** A part of a span whose text is the source's. */
export function part(span: Span, from: number, to: number): Span {
  return { text: span.text.slice(from, to), start: span.start + from, end: span.start + to };
}

/** Reads flags, removing quotes and escapes; a lone `--` ends them. */
function readFlags(
  text: string,
  start: number,
  end: number,
  escapeToken: string,
): { flags: Span[]; next: number } {
  const flags: Span[] = [];
  let at = start;
  for (;;) {
    while (at < end && isSpace(text[at]!)) at++;
    if (at >= end || !text.startsWith("--", at)) return { flags, next: at };
    const flag = readFlag(text, at, end, escapeToken);
    at = flag.end;
    if (flag.text === "--") return { flags, next: at };
    flags.push(flag);
  }
}

function readFlag(text: string, start: number, end: number, escapeToken: string): Span {
  let value = "";
  let quote = "";
  let at = start;
  for (; at < end; at++) {
    const char = text[at]!;
    if (quote === "" && isSpace(char)) break;
    if (char === quote) quote = "";
    else if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char !== escapeToken) value += char;
    else if (at + 1 < end) value += text[++at];
  }
  return { text: value, start, end: at };
}

/**
 * Words separated by white space outside quotes. Quotes and escapes stay in the words; a lone escapeToken
 * character at the very end is dropped.
 */
export function splitWords(span: Span, escapeToken: string): Span[] {
  const words: Span[] = [];
  const { text } = span;
  for (let at = 0; at < text.length; ) {
    if (isSpace(text[at]!)) at++;
    else {
      const end = endOfWord(text, at, escapeToken);
      const dropsEscape = end > text.length;
      const to = Math.min(end, text.length);
      const word = text.slice(at, dropsEscape ? to - 1 : to);
      if (word !== "") words.push({ text: word, start: span.start + at, end: span.start + to });
      at = to;
    }
  }
  return words;
}

/** Index behind the word at `at`; one more than the text's length when it ends in a lone escape character. */
function endOfWord(text: string, at: number, escapeToken: string): number {
  let quote = "";
  for (; at < text.length; at++) {
    const char = text[at]!;
    if (quote === "" && isSpace(char)) return at;
    if (char === escapeToken && quote !== "'") {
      if (at + 1 === text.length) return text.length + 1;
      at++;
    } else if (char === quote) quote = "";
    else if (quote === "" && (char === "'" || char === '"')) quote = char;
  }
  return text.length;
}
