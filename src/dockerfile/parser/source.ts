import { isUtf8 } from "node:buffer";
import {
  BuildError,
  type BuildErrorOptions,
  type ErrorCode,
  type Position,
  type SourceRange,
} from "../../core/index.ts";
import type { SourceText } from "./ast.ts";

/** Largest Dockerfile that is read, in bytes. */
export const maxFileSize = 4 * 1024 * 1024;

/** Longest line with its line end, in bytes; BuildKit's scanner has the same limit. */
export const maxLineSize = 64 * 1024;

/** A line of the file with its line end. */
export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

/** The source, its lines, and the numbers of lines that are not UTF-8. */
export interface DecodedSource {
  readonly source: SourceText;
  readonly lines: readonly Line[];
  readonly badLines: ReadonlySet<number>;
}

/** Decodes a file; throws when it is too large or a line of it too long. */
export function decodeSource(content: Uint8Array | string, name: string): DecodedSource {
  const size = typeof content === "string" ? Buffer.byteLength(content) : content.length;
  if (size > maxFileSize) refuseSize(name, size);
  const decoded =
    typeof content === "string" ? content : new TextDecoder("utf-8", { ignoreBOM: true }).decode(content);
  const bom = decoded.startsWith("\ufeff");
  const text = bom ? decoded.slice(1) : decoded;
  const source: SourceText = { name, text, bom };
  const lines = splitLines(text);
  for (const line of lines) checkLineSize(source, line);
  return { source, lines, badLines: typeof content === "string" ? new Set() : linesThatAreNotUtf8(content) };
}

function refuseSize(name: string, size: number): never {
  throw new BuildError(
    "resource-exhausted",
    `${name}: ${(size / 1e6).toFixed(1)} MB is too large for a Dockerfile`,
    {
      hint: `the limit is ${maxFileSize / 1024 / 1024} MiB; is this the right file? Large contents belong into files that COPY takes`,
    },
  );
}

function checkLineSize(source: SourceText, line: Line): void {
  if (line.text.length * 3 <= maxLineSize) return;
  const end = line.text.endsWith("\n") ? 0 : 1;
  if (Buffer.byteLength(line.text) + end <= maxLineSize) return;
  throw errorAt(
    source,
    lineRange(line),
    "invalid-argument",
    `dockerfile line greater than max allowed size of ${maxLineSize - 1}`,
    {
      hint: `line ${line.number} is too long: break it with line continuations, or COPY the content from a file`,
    },
  );
}

function splitLines(text: string): Line[] {
  const lines: Line[] = [];
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline + 1;
    lines.push({ number: lines.length + 1, text: text.slice(start, end) });
    start = end;
  }
  return lines;
}

function linesThatAreNotUtf8(content: Uint8Array): Set<number> {
  const bad = new Set<number>();
  if (isUtf8(content)) return bad;
  for (let start = 0, number = 1; start < content.length; number++) {
    const newline = content.indexOf(10, start);
    const end = newline < 0 ? content.length : newline + 1;
    if (!isUtf8(content.subarray(start, end))) bad.add(number);
    start = end;
  }
  return bad;
}

/** `text` without its line end. */
export function withoutLineEnd(text: string): string {
  return text.slice(0, lengthWithoutLineEnd(text));
}

function lengthWithoutLineEnd(text: string): number {
  let end = text.length;
  while (end > 0 && (text[end - 1] === "\n" || text[end - 1] === "\r")) end--;
  return end;
}

/** Where the line's text ends, before its line end. */
export function endOfLine(line: Line): Position {
  return { line: line.number, column: lengthWithoutLineEnd(line.text) };
}

/** A whole line without its line end. */
export function lineRange(line: Line): SourceRange {
  return { start: { line: line.number, column: 0 }, end: endOfLine(line) };
}

/** An error that points at a place in the Dockerfile. */
export function errorAt(
  source: SourceText,
  at: SourceRange | readonly SourceRange[],
  code: ErrorCode,
  message: string,
  options: Omit<BuildErrorOptions, "details"> = {},
): BuildError {
  const ranges = "start" in at ? [at] : at;
  return new BuildError(code, message, {
    ...options,
    details: { source: { file: source.name, text: source.text, ranges } },
  });
}
