import type { SourceRange } from "../../core/index.ts";
import { printDockerfile } from "../parser/print.ts";
import { asCasing, instructionCasing, stageNameCasing } from "./casing.ts";
import {
  emptyContinuations,
  exposedPorts,
  exposedProtocols,
  legacyPairs,
  maintainers,
  redundantPlatforms,
  repeated,
  shellForms,
} from "./forms.ts";
import { stageNumbers } from "./numbers.ts";
import type { Fix, FixContext, Fixer } from "./types.ts";

/** What removes or replaces whole instructions goes first: of edits that overlap the first counts. */
const fixers: readonly Fixer[] = [
  repeated,
  maintainers,
  emptyContinuations,
  instructionCasing,
  asCasing,
  stageNameCasing,
  stageNumbers,
  legacyPairs,
  shellForms,
  redundantPlatforms,
  exposedPorts,
  exposedProtocols,
];

/** A finding that is to be mended. */
export interface Finding {
  readonly rule: string;
  readonly ranges: readonly SourceRange[];
}

/** The file after mending, and what has been mended. */
export interface FixedDockerfile {
  readonly text: string;
  readonly fixes: readonly Fix[];
}

/**
 * Mends those of the findings that can be mended without changing what the file means. Everything else stays as it is
 * written, comments and formatting included. Of mistakes in one place only the first is mended: check again for the
 * others.
 */
export function fixDockerfile(context: FixContext, findings: readonly Finding[]): FixedDockerfile {
  const wanted = new Set(findings.map(({ rule, ranges }) => `${rule} ${ranges[0]?.start.line}`));
  const fixes: Fix[] = [];
  for (const fix of fixers.flatMap((propose) => propose(context))) {
    const overlapping = fixes.some((other) =>
      other.edits.some((edit) => fix.edits.some((own) => overlap(edit.range, own.range))),
    );
    if (wanted.has(`${fix.rule} ${fix.line}`) && !overlapping) fixes.push(fix);
  }
  const edits = fixes.flatMap((fix) => fix.edits);
  return { text: printDockerfile(context.source.dockerfile, edits), fixes };
}

/** Whether two ranges have text in common, or one is a place in the other. */
function overlap(a: SourceRange, b: SourceRange): boolean {
  return before(a.start, b.end) && before(b.start, a.end);
}

function before(a: SourceRange["start"], b: SourceRange["start"]): boolean {
  return a.line < b.line || (a.line === b.line && a.column < b.column);
}
