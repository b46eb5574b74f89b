/** A position: `line` counts from 1 as BuildKit's does, `column` from 0 in UTF-16 code units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A half-open range of text: `end` is the first position after it. */
export interface SourceRange {
  readonly start: Position;
  readonly end: Position;
}
