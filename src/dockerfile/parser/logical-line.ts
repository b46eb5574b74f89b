import type { Position, SourceRange } from "../../core/index.ts";
import { isSpace, leadingSpaces, trimSpace } from "../space.ts";
import type { Comment, Word } from "./ast.ts";
import { endOfLine, type Line, withoutLineEnd } from "./source.ts";

/** An instruction's lines joined into one, with the way back to the file. */
export interface LogicalLine {
  readonly text: string;
  readonly pieces: readonly Piece[];
  readonly first: Line;
  /** Last line that was consumed; comments behind a continuation count. */
  readonly last: Line;
  readonly range: SourceRange;
  readonly hasEmptyLine: boolean;
}

interface Piece {
  /** Where it begins in the joined text. */
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

/** A stretch of a logical line. `text` may differ from the source where quotes or escapes were removed. */
export interface Span {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Whether a line holds only a comment. */
export function isComment(text: string): boolean {
  return text[leadingSpaces(text)] === "#";
}

/** A line that is a comment, as a node. */
export function commentOn(line: Line): Comment {
  const text = withoutLineEnd(line.text);
  const start = leadingSpaces(text);
  return {
    text: trimSpace(text.slice(start + 1)),
    range: { start: { line: line.number, column: start }, end: endOfLine(line) },
  };
}

/**
 * Joins the line at `index` with its continuations. Comment lines between them are left out and given to
 * `onComment`, blank ones are dropped; neither ends the instruction. An escape character that follows
 * another one does not continue the line.
 */
export function joinLines(
  lines: readonly Line[],
  index: number,
  escapeToken: string,
  onComment: (comment: Comment) => void,
): LogicalLine {
  const first = lines[index]!;
  const column = leadingSpaces(first.text);
  const whole = withoutLineEnd(first.text).slice(column);
  const begun = withoutContinuation(whole, escapeToken);
  const pieces: Piece[] = [{ offset: 0, line: first.number, column }];
  let text = begun ?? whole;
  let last = first;
  let hasEmptyLine = false;
  for (let open = begun !== undefined; open && last.number < lines.length; ) {
    last = lines[last.number]!;
    if (isComment(last.text)) onComment(commentOn(last));
    else if (trimSpace(last.text) === "") hasEmptyLine = true;
    else {
      const more = withoutLineEnd(last.text);
      const kept = withoutContinuation(more, escapeToken);
      pieces.push({ offset: text.length, line: last.number, column: 0 });
      text += kept ?? more;
      open = kept !== undefined;
    }
  }
  const range = { start: { line: first.number, column }, end: endOfLine(last) };
  return { text, pieces, first, last, range, hasEmptyLine };
}

/** The line without its continuation character, or undefined when it has none. */
function withoutContinuation(text: string, escapeToken: string): string | undefined {
  let end = text.length;
  while (end > 0 && (text[end - 1] === " " || text[end - 1] === "\t")) end--;
  if (text[end - 1] !== escapeToken || text[end - 2] === escapeToken) return undefined;
  return text.slice(0, end - 1);
}

/** Where an offset of the joined text lies in the file. */
function positionAt(line: LogicalLine, offset: number): Position {
  let low = 0;
  let high = line.pieces.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (line.pieces[middle]!.offset <= offset) low = middle;
    else high = middle - 1;
  }
  const piece = line.pieces[low]!;
  return { line: piece.line, column: piece.column + offset - piece.offset };
}

/** The range of a stretch of the joined text; it ends on the line of its last character. */
export function rangeOf(line: LogicalLine, start: number, end: number): SourceRange {
  const from = positionAt(line, start);
  if (end <= start) return { start: from, end: from };
  const last = positionAt(line, end - 1);
  return { start: from, end: { line: last.line, column: last.column + 1 } };
}

/** A part of a logical line, with its place in the file. */
export function wordOf(line: LogicalLine, span: Span): Word {
  return { text: span.text, range: rangeOf(line, span.start, span.end) };
}

/** The stretch without white space around it. */
export function trimmedSpan(text: string, start: number, end: number): Span {
  while (start < end && isSpace(text[start]!)) start++;
  while (end > start && isSpace(text[end - 1]!)) end--;
  return { text: text.slice(start, end), start, end };
}
