import { type BuildError, type SourceLocation, type SourceRange, withoutLogins } from "../core/index.ts";
import { printableLine } from "./progress/format.ts";

const contextLines = 2;
const widestLine = 200;

/**
 * An error as the user reads it: the failed step with the end of its output, the excerpt of the Dockerfile with the
 * lines marked, the message, and what to do. The layout is BuildKit's; logins in URLs are left out.
 */
export function errorText(error: BuildError): string {
  const { details } = error;
  const parts: string[] = [];
  if (details.step !== undefined && details.logTail !== undefined && details.logTail.length > 0)
    parts.push(
      `------\n > ${printableLine(details.step)}:\n${details.logTail.map(printableLine).join("\n")}\n------\n`,
    );
  if (details.source !== undefined) parts.push(excerpt(details.source));
  parts.push(`ERROR: ${withoutLogins(error.message).split("\n").map(printableLine).join("\n")}\n`);
  if (details.logFile !== undefined) parts.push(`Full log: ${details.logFile}\n`);
  if (error.hint !== undefined) parts.push(`Hint: ${error.hint.replaceAll("\n", "\n      ")}\n`);
  return parts.join("");
}

/**
 * `Dockerfile:3` with the marked lines and what stands around them. A place within a line has its column, from 1, too
 * (`Dockerfile:3:6`), and is underlined.
 */
export function excerpt(source: SourceLocation): string {
  const { ranges } = source;
  const first = ranges[0];
  if (first === undefined) return "";
  const lines = source.text.split(/\r?\n/);
  const marked = (line: number) => ranges.some((range) => covers(range, line));
  const from = Math.max(1, Math.min(...ranges.map((range) => range.start.line)) - contextLines);
  const to = Math.min(lines.length, Math.max(...ranges.map(lastLine)) + contextLines);
  const rule = "-".repeat(20);
  const shown: string[] = [];
  for (let line = from; line <= to; line++) {
    const number = String(line).padStart(4);
    const mark = marked(line) ? ">>>" : "   ";
    const written = cut(lines[line - 1] ?? "");
    const text = withoutLogins(written);
    shown.push(`${number} | ${mark} ${text}`);
    // Where a login was left out the columns are others.
    const isMarked = ranges.length === 1 && text === written;
    const underline = isMarked ? underlineOf(first, line, text) : undefined;
    if (underline !== undefined) shown.push(`     |     ${underline}`);
  }
  const column = isWithinLine(first, lines) ? `:${first.start.column + 1}` : "";
  return `${source.file}:${first.start.line}${column}\n${rule}\n${shown.join("\n")}\n${rule}\n`;
}

/** Whether a range is part of a line: the line has other words. */
function isWithinLine({ start, end }: SourceRange, lines: readonly string[]): boolean {
  const text = lines[start.line - 1] ?? "";
  if (start.line !== end.line || end.column <= start.column) return false;
  return text.slice(0, start.column).trim() !== "" || text.slice(end.column).trim() !== "";
}

/** Marks below the part of the line that is meant; tabs stay, so that they stand below it. */
function underlineOf(range: SourceRange, line: number, text: string): string | undefined {
  const { start, end } = range;
  if (line !== start.line || !isWithinLine(range, [...Array(line - 1).fill(""), text])) return undefined;
  if (end.column > text.length) return undefined;
  return text.slice(0, start.column).replace(/[^\t]/g, " ") + "^".repeat(end.column - start.column);
}

function lastLine(range: SourceRange): number {
  // A range that ends at the first column of a line does not touch that line.
  return range.end.column === 0 && range.end.line > range.start.line ? range.end.line - 1 : range.end.line;
}

function covers(range: SourceRange, line: number): boolean {
  return line >= range.start.line && line <= lastLine(range);
}

function cut(text: string): string {
  const plain = withoutLogins(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "�");
  return plain.length > widestLine ? `${plain.slice(0, widestLine)}…` : plain;
}
