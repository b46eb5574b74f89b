import { BuildError } from "../../core/index.ts";
import { removePrefix, removeSuffix, replacePattern } from "./pattern.ts";
import type { ExpandOptions, Expansion, Variables } from "./types.ts";
import { WordList } from "./word-list.ts";

/** Reads one word or line from left to right; nested words of `${…}` share its position. */
interface Reader {
  readonly text: string;
  at: number;
  readonly variables: Variables;
  readonly escape: string;
  readonly rawQuotes: boolean;
  readonly skipQuotes: boolean;
  readonly skipUnset: boolean;
  /** Whether words are collected. */
  readonly split: boolean;
  readonly matched: Set<string>;
  readonly unmatched: Set<string>;
}

/** `${` can nest as deeply as a line is long; deeper than this is no Dockerfile but an attack on the stack. */
const maxDepth = 200;

/** What can mean anything but itself, with either escape character. */
const special = /[$'"\\`]/;
const none: ReadonlySet<string> = new Set();

/**
 * Expands variables and removes quotes and escapes, as a shell does in one word: `$name`, `${name}`, and
 * `${name…}` with `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`. White space is kept. Throws
 * `invalid-argument` for bad syntax and for `?`.
 */
export function expandWord(text: string, variables: Variables, options: ExpandOptions = {}): Expansion {
  if (!special.test(text)) return { text, matched: none, unmatched: none };
  const reader = readerOf(text, variables, options, false);
  const result = run(reader, options.rawEscapes ?? false);
  return { text: result.text, matched: reader.matched, unmatched: reader.unmatched };
}

/** Expands like `expandWord`, then splits at white space that no quote protects. */
export function expandWords(text: string, variables: Variables, options: ExpandOptions = {}): string[] {
  return wordsWithOffsets(text, variables, options).map((word) => word.text);
}

/** Like `expandWords`, with the offset in `text` at which each word begins. */
export function wordsWithOffsets(
  text: string,
  variables: Variables,
  options: ExpandOptions = {},
): readonly { readonly text: string; readonly start: number }[] {
  return run(readerOf(text, variables, options, true), options.rawEscapes ?? false).words?.finish() ?? [];
}

function readerOf(text: string, variables: Variables, options: ExpandOptions, split: boolean): Reader {
  return {
    text,
    at: 0,
    variables,
    escape: options.escape ?? "\\",
    rawQuotes: options.rawQuotes ?? false,
    skipQuotes: options.skipQuotes ?? false,
    skipUnset: options.skipUnset ?? false,
    split,
    matched: new Set(),
    unmatched: options.unmatched ?? new Set(),
  };
}

interface Result {
  readonly text: string;
  readonly words: WordList | undefined;
}

function run(reader: Reader, rawEscapes: boolean): Result {
  try {
    return readUntil(reader, "", rawEscapes, 0);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const { code, message, hint } = error;
    throw new BuildError(code, `failed to process ${JSON.stringify(reader.text)}: ${message}`, { hint });
  }
}

function fail(message: string, hint?: string): never {
  throw new BuildError("invalid-argument", message, { hint });
}

/** Reads up to `stop`, which is consumed, or to the end of the text when `stop` is empty. */
function readUntil(reader: Reader, stop: string, rawEscapes: boolean, depth: number): Result {
  if (depth > maxDepth) fail("variable expansion is nested too deeply");
  const words = reader.split && depth === 0 ? new WordList() : undefined;
  let text = "";
  while (reader.at < reader.text.length) {
    const start = reader.at;
    const char = reader.text[start]!;
    if (char === stop) {
      reader.at++;
      return { text, words };
    }
    if (char === "$") {
      const value = readVariable(reader, depth);
      words?.addSplitting(value, start);
      text += value;
    } else if (char === "<" || (!reader.skipQuotes && (char === "'" || char === '"'))) {
      const piece = readUnsplit(reader, char, rawEscapes, depth);
      words?.add(piece, start);
      text += piece;
    } else if (char === reader.escape) {
      const piece = readEscape(reader, rawEscapes);
      if (piece !== "") words?.add(piece, start);
      text += piece;
    } else {
      reader.at++;
      words?.addSplitting(char, start);
      text += char;
    }
  }
  if (stop !== "") fail(`unexpected end of statement while looking for matching ${stop}`);
  return { text, words };
}

/** A piece that white space does not split: quoted text, or the `<<` of a here-document with what follows. */
function readUnsplit(reader: Reader, char: string, rawEscapes: boolean, depth: number): string {
  if (char === "'") return readSingleQuoted(reader);
  if (char === '"') return readDoubleQuoted(reader, rawEscapes, depth);
  const match = /<<[\t\r ]*|</y;
  match.lastIndex = reader.at;
  const piece = match.exec(reader.text)![0];
  reader.at += piece.length;
  return piece;
}

/** An escape character and what it protects; at the end of the text it protects nothing and vanishes. */
function readEscape(reader: Reader, raw: boolean): string {
  const char = reader.text[reader.at++]!;
  const next = reader.text[reader.at++] ?? "";
  return raw ? char + next : next;
}

function readSingleQuoted(reader: Reader): string {
  const end = reader.text.indexOf("'", reader.at + 1);
  if (end < 0) {
    reader.at = reader.text.length;
    fail("unexpected end of statement while looking for matching single-quote");
  }
  const inside = reader.text.slice(reader.at + 1, end);
  reader.at = end + 1;
  return reader.rawQuotes ? `'${inside}'` : inside;
}

/** Variables are expanded inside; an escape character protects only `"`, `$` and itself. */
function readDoubleQuoted(reader: Reader, rawEscapes: boolean, depth: number): string {
  let inside = "";
  reader.at++;
  while (reader.at < reader.text.length) {
    const char = reader.text[reader.at]!;
    if (char === '"') {
      reader.at++;
      return reader.rawQuotes ? `"${inside}"` : inside;
    }
    if (char === "$") {
      inside += readVariable(reader, depth);
      continue;
    }
    reader.at++;
    if (char !== reader.escape) {
      inside += char;
      continue;
    }
    const next = reader.text[reader.at];
    if (next === undefined) break;
    if (next !== '"' && next !== "$" && next !== reader.escape) inside += rawEscapes ? char + char : char;
    else {
      inside += rawEscapes ? char + next : next;
      reader.at++;
    }
  }
  fail("unexpected end of statement while looking for matching double-quote");
}

function readVariable(reader: Reader, depth: number): string {
  reader.at++;
  if (reader.text[reader.at] === "{") return readBraced(reader, depth);
  const name = readName(reader);
  if (name === "") return "$";
  const value = lookUp(reader, name);
  return value === undefined && reader.skipUnset ? `$${name}` : (value ?? "");
}

/** A name; or one digit run; or one of the shell's special parameters, which are never set. */
function readName(reader: Reader): string {
  const match = /\p{Nd}+|[@*#?\-$!]|[\p{L}\p{Nd}_]*/uy;
  match.lastIndex = reader.at;
  const name = match.exec(reader.text)?.[0] ?? "";
  reader.at += name.length;
  return name;
}

function lookUp(reader: Reader, name: string): string | undefined {
  const value = reader.variables.get(name);
  (value === undefined ? reader.unmatched : reader.matched).add(name);
  return value;
}

function readBraced(reader: Reader, depth: number): string {
  const first = reader.text[++reader.at];
  if (first === undefined) fail("syntax error: missing '}'");
  if (first === "{" || first === "}" || first === ":") fail("syntax error: bad substitution");
  const name = readName(reader);
  const operator = reader.text[reader.at++] ?? "";
  if (operator === "}") {
    const value = lookUp(reader, name);
    return value === undefined && reader.skipUnset ? `\${${name}}` : (value ?? "");
  }
  if (operator === "/") return readReplacement(reader, name, depth);
  const colon = operator === ":";
  const modifier = colon ? (reader.text[reader.at++] ?? "") : operator;
  const shown = colon ? `:${modifier}` : modifier;
  const rawWord = modifier === "#" || modifier === "%";
  const known = modifier !== "" && "-+?#%".includes(modifier) && !(colon && rawWord);
  // BuildKit reads the word behind any colon before it looks at the modifier.
  if (!known && (!colon || rawWord)) {
    // Its words for a word that ends here, with what Go reads at an end.
    if (modifier === "") fail(`unsupported modifier (${shown}\ufffd) in substitution`, "'}' is missing");
    fail(`unsupported modifier (${shown}) in substitution`);
  }
  const word = readNested(reader, "}", rawWord, depth, "syntax error: missing '}'");
  const value = lookUp(reader, name);
  if (!known) fail(`unsupported modifier (${shown}) in substitution`);
  if (value === undefined && reader.skipUnset) return `\${${name}${shown}${word}}`;
  return modified(name, value, colon, modifier, word);
}

function modified(
  name: string,
  value: string | undefined,
  emptyIsUnset: boolean,
  modifier: string,
  word: string,
): string {
  const absent = value === undefined || (emptyIsUnset && value === "");
  switch (modifier) {
    case "-":
      return absent ? word : value;
    case "+":
      return absent ? "" : word;
    case "?":
      if (!absent) return value;
      fail(`${name}: ${word || `is not allowed to be ${value === undefined ? "unset" : "empty"}`}`);
      break;
    default: {
      const greedy = word.startsWith(modifier);
      const pattern = greedy ? word.slice(1) : word;
      const remove = modifier === "#" ? removePrefix : removeSuffix;
      return remove(value ?? "", pattern, greedy);
    }
  }
}

/** `${name/pattern/replacement}`, with `//` for all. */
function readReplacement(reader: Reader, name: string, depth: number): string {
  const all = reader.text[reader.at] === "/";
  if (all) reader.at++;
  const pattern = readNested(reader, "/", true, depth, `syntax error: missing '/' in \${}`);
  const replacement = readNested(reader, "}", true, depth, "syntax error: missing '}'");
  const value = lookUp(reader, name);
  if (value === undefined && reader.skipUnset) return `\${${name}/${pattern}/${replacement}}`;
  return replacePattern(value ?? "", pattern, replacement, all);
}

function readNested(
  reader: Reader,
  stop: string,
  rawEscapes: boolean,
  depth: number,
  missing: string,
): string {
  try {
    return readUntil(reader, stop, rawEscapes, depth + 1).text;
  } catch (error) {
    if (error instanceof BuildError && reader.at >= reader.text.length) fail(missing);
    throw error;
  }
}
