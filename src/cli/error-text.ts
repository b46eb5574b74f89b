import type { BuildError, SourceLocation, SourceRange } from "../core/index.ts";
import { printableLine } from "./progress/format.ts";

const contextLines = 2;
const widestLine = 200;

/**
 * An error as the user reads it: the failed step with the end of its output, the excerpt of the Dockerfile with the
 * lines marked, the message, and what to do. The layout is BuildKit's.
 */
export function errorText(error: BuildError): string {
  const { details } = error;
  const parts: string[] = [];
  if (details.step !== undefined && details.logTail !== undefined && details.logTail.length > 0)
    parts.push(
      `------\n > ${printableLine(details.step)}:\n${details.logTail.map(printableLine).join("\n")}\n------\n`,
    );
  if (details.source !== undefined) parts.push(excerpt(details.source));
  parts.push(`ERROR: ${error.message.split("\n").map(printableLine).join("\n")}\n`);
  if (details.logFile !== undefined) parts.push(`Full log: ${details.logFile}\n`);
  if (error.hint !== undefined) parts.push(`Hint: ${error.hint}\n`);
  return parts.join("");
}

/** `Dockerfile:3` with the marked lines and what stands around them. */
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
    shown.push(`${number} | ${mark} ${cut(lines[line - 1] ?? "")}`);
  }
  return `${source.file}:${first.start.line}\n${rule}\n${shown.join("\n")}\n${rule}\n`;
}

function lastLine(range: SourceRange): number {
  // A range that ends at the first column of a line does not touch that line.
  return range.end.column === 0 && range.end.line > range.start.line ? range.end.line - 1 : range.end.line;
}

function covers(range: SourceRange, line: number): boolean {
  return line >= range.start.line && line <= lastLine(range);
}

function cut(text: string): string {
  const plain = text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "�");
  return plain.length > widestLine ? `${plain.slice(0, widestLine)}…` : plain;
}
