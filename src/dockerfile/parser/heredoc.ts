import { BuildError, type SourceRange } from "../../core/index.ts";
import { expandWords, wordsWithOffsets } from "../shell/expand.ts";
import type { Variables } from "../shell/types.ts";
import type { Heredoc } from "./ast.ts";
import { type LogicalLine, rangeOf } from "./logical-line.ts";
import { type Line, lineRange, withoutLineEnd } from "./source.ts";

/** `<<EOF` before its lines have been read. */
export interface HeredocOperator {
  readonly name: string;
  readonly expand: boolean;
  readonly chomp: boolean;
  readonly fileDescriptor: number;
}

const operatorForm = /^(\d*)<<(-?)\s*([^<]*)$/;
const noVariables: Variables = { get: () => undefined };

/**
 * Reads a word such as `<<EOF`, `<<-"EOF"` or `3<<EOF`; undefined when it is none, or has an open quote. A delimiter
 * that is quoted, wholly or in part, keeps the content from being expanded.
 */
export function parseHeredocOperator(word: string): HeredocOperator | undefined {
  const match = operatorForm.exec(word);
  const delimiter = match?.[3];
  if (match === null || !delimiter) return undefined;
  const words = orNone(() => expandWords(delimiter, noVariables, { skipUnset: true }));
  if (words.length !== 1) return undefined;
  const raw = expandWords(delimiter, noVariables, { skipUnset: true, rawQuotes: true });
  return {
    name: words[0]!,
    expand: quotesIn(words[0]!) === quotesIn(raw[0] ?? ""),
    chomp: match[2] === "-",
    fileDescriptor: Number(match[1]),
  };
}

function quotesIn(text: string): number {
  return text.replace(/[^'"]/g, "").length;
}

/** The here-document operators on an instruction's line. A line with unbalanced quotes has none. */
export function heredocOperators(
  line: LogicalLine,
): (HeredocOperator & { readonly operator: SourceRange })[] {
  if (!line.text.includes("<<")) return [];
  const found = [];
  for (const word of shellWords(line.text)) {
    const operator = word.text.includes("<<") ? parseHeredocOperator(word.text) : undefined;
    const end = Math.min(word.start + word.text.length, line.text.length);
    if (operator !== undefined) found.push({ ...operator, operator: rangeOf(line, word.start, end) });
  }
  return found;
}

function shellWords(text: string): readonly { readonly text: string; readonly start: number }[] {
  return orNone(() =>
    wordsWithOffsets(text, noVariables, { rawQuotes: true, rawEscapes: true, skipUnset: true }),
  );
}

/** Text that cannot be split has no words here; whoever expands it says what is wrong. */
function orNone<T>(words: () => readonly T[]): readonly T[] {
  try {
    return words();
  } catch (error) {
    if (error instanceof BuildError) return [];
    throw error;
  }
}

/**
 * Reads the lines of one here-document, beginning at `lines[index]`. Undefined when its delimiter never
 * comes on a line of its own. `next` is the index behind the terminator.
 */
export function readHeredoc(
  lines: readonly Line[],
  index: number,
  operator: HeredocOperator & { readonly operator: SourceRange },
): { heredoc: Heredoc; terminator: Line; next: number } | undefined {
  const content: string[] = [];
  for (let i = index; i < lines.length; i++) {
    const line = lines[i]!;
    const text = withoutLineEnd(line.text);
    if ((operator.chomp ? text.replace(/^\t+/, "") : text) === operator.name) {
      const body = {
        start: { line: lines[index]!.number, column: 0 },
        end: { line: line.number, column: 0 },
      };
      const heredoc = { ...operator, content: content.join(""), body, terminator: lineRange(line) };
      return { heredoc, terminator: line, next: i + 1 };
    }
    content.push(line.text);
  }
  return undefined;
}

/** Removes the leading tabs of every line, as `<<-` asks for. */
export function chompTabs(text: string): string {
  return text.replace(/(^|\n)\t+/g, "$1");
}
