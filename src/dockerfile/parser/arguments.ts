import { isSpace } from "../space.ts";
import type { ArgumentForm } from "./ast.ts";
import { type Span, trimmedSpan } from "./logical-line.ts";
import { part, splitOnSpace, splitWords } from "./split.ts";

/** Arguments split as their instruction wants it. */
export interface Arguments {
  readonly form: ArgumentForm;
  readonly words: readonly Span[];
}

/** A mistake in the arguments; the caller knows the place. */
export interface ArgumentProblem {
  readonly problem: string;
  readonly at: Span;
}

type Reader = (rest: Span, escapeToken: string, keyword: string) => Arguments | ArgumentProblem;

const readers: Readonly<Record<string, Reader>> = {
  ADD: (rest) => jsonOr(rest, blankSeparated),
  ARG: (rest, escapeToken) => words(splitWords(rest, escapeToken)),
  CMD: (rest) => jsonOr(rest, wholeText),
  COPY: (rest) => jsonOr(rest, blankSeparated),
  ENTRYPOINT: (rest) => jsonOr(rest, wholeText),
  ENV: pairs,
  EXPOSE: blankSeparated,
  FROM: blankSeparated,
  HEALTHCHECK: healthcheck,
  LABEL: pairs,
  MAINTAINER: wholeText,
  RUN: (rest) => jsonOr(rest, wholeText),
  SHELL: (rest) => jsonOr(rest, wholeText),
  STOPSIGNAL: wholeText,
  USER: wholeText,
  VOLUME: (rest) => jsonOr(rest, blankSeparated),
  WORKDIR: wholeText,
};

/** Names of all instructions, in upper case. */
export const instructionNames: readonly string[] = [...Object.keys(readers), "ONBUILD"].sort();

/** Splits the arguments of any instruction but ONBUILD; those of an unknown one are left alone. */
export function readArguments(keyword: string, rest: Span, escapeToken: string): Arguments | ArgumentProblem {
  const read = Object.hasOwn(readers, keyword) ? readers[keyword] : undefined;
  if (read === undefined || rest.text === "") return { form: "none", words: [] };
  return read(rest, escapeToken, keyword);
}

function words(spans: readonly Span[]): Arguments {
  return { form: "words", words: spans };
}

function wholeText(rest: Span): Arguments {
  return { form: "text", words: [rest] };
}

function blankSeparated(rest: Span): Arguments {
  return words(splitOnSpace(rest));
}

function jsonOr(rest: Span, other: (rest: Span) => Arguments): Arguments | ArgumentProblem {
  const array = jsonArray(rest.text);
  if (array === undefined) return other(rest);
  if (!array.every((item) => typeof item === "string"))
    return { problem: "when using JSON array syntax, arrays must be comprised of strings only", at: rest };
  const literals = stringLiterals(rest.text);
  const spans = array.map((text, i) => ({
    text: text.isWellFormed() ? text : text.toWellFormed(),
    start: rest.start + literals[i]!.start,
    end: rest.start + literals[i]!.end,
  }));
  return { form: "json", words: spans };
}

function jsonArray(text: string): unknown[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Where the strings of a valid JSON array of strings lie, quotes included. */
function stringLiterals(text: string): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at)) {
    const start = at++;
    while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    found.push({ start, end: ++at });
  }
  return found;
}

/** `name=value …`, or the old form `name value`, told apart by an `=` in the first word. */
function pairs(rest: Span, escapeToken: string, keyword: string): Arguments | ArgumentProblem {
  const found = splitWords(rest, escapeToken);
  if (found.length === 0) return { form: "none", words: [] };
  if (!found[0]!.text.includes("=")) {
    const legacy = splitOnSpace(rest, 2);
    if (legacy.length < 2) return { problem: `${keyword} must have two arguments`, at: rest };
    return { form: "pairs-legacy", words: legacy };
  }
  const wrong = found.find((word) => !word.text.includes("="));
  if (wrong !== undefined)
    return {
      problem: `Syntax error - can't find = in ${JSON.stringify(wrong.text)}. Must be of the form: name=value`,
      at: wrong,
    };
  return { form: "pairs", words: found };
}

/** The type (NONE or CMD), then a command. */
function healthcheck(rest: Span): Arguments | ArgumentProblem {
  let end = 0;
  while (end < rest.text.length && !isSpace(rest.text[end]!)) end++;
  const type = part(rest, 0, end);
  const behind = part(rest, end, rest.text.length);
  const trimmed = trimmedSpan(behind.text, 0, behind.text.length);
  const command = part(behind, trimmed.start, trimmed.end);
  if (command.text === "") return words([type]);
  const read = jsonOr(command, wholeText);
  return "problem" in read ? read : { form: read.form, words: [type, ...read.words] };
}
