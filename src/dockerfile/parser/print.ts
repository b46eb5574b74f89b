import type { Position, SourceRange } from "../../core/index.ts";
import type { Dockerfile } from "./ast.ts";

/** Replaces the text of a range. */
export interface TextEdit {
  readonly range: SourceRange;
  readonly text: string;
}

/**
 * The file's text with some ranges replaced; everything else, comments and line ends included, stays as it
 * is. Without edits this is exactly what was parsed. Ranges must not overlap.
 */
export function printDockerfile(dockerfile: Dockerfile, edits: readonly TextEdit[] = []): string {
  const { text, bom } = dockerfile.source;
  const starts = lineStarts(text);
  const offset = (position: Position) => (starts[position.line - 1] ?? text.length) + position.column;
  const ordered = edits
    .map(({ range, text: replacement }) => ({
      start: offset(range.start),
      end: offset(range.end),
      replacement,
    }))
    .sort((a, b) => a.start - b.start || a.end - b.end);
  let result = bom ? "\ufeff" : "";
  let at = 0;
  for (const { start, end, replacement } of ordered) {
    if (start < at || end < start) throw new RangeError("text edits overlap");
    result += text.slice(at, start) + replacement;
    at = end;
  }
  return result + text.slice(at);
}

/** The text of a range. */
export function textAt(dockerfile: Dockerfile, range: SourceRange): string {
  const { text } = dockerfile.source;
  const starts = lineStarts(text);
  const offset = (position: Position) => (starts[position.line - 1] ?? text.length) + position.column;
  return text.slice(offset(range.start), offset(range.end));
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}
