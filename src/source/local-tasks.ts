import {
  BuildError,
  type BytePath,
  createIgnoreMatcher,
  defined,
  type IgnoreFile,
  type IgnoreMatcher,
  textOf,
} from "../core/index.ts";
import { type Comparison, comparer } from "./local-compare.ts";
import { followLinks } from "./local-followlinks.ts";
import { decodeScan } from "./local-kept.ts";
import { matchName } from "./local-match.ts";
import { type KnownDirectories, type ScanFilter, scanDirectory } from "./local-scan.ts";
import type { TreeTable } from "./local-table.ts";

/** What is scanned; plain data, for a worker. */
export interface ScanTask {
  /** Absolute, without symlinks. */
  readonly root: BytePath;
  /** Only what matches one of them; `undefined` for everything. */
  readonly include: readonly string[] | undefined;
  readonly exclude: IgnoreFile | readonly string[];
  /** Entries beyond which the scan gives up. */
  readonly limit?: number;
  readonly known?: KnownDirectories;
}

/** What a worker needs to help with a comparison. */
export interface ComparisonTask {
  readonly task: ScanTask;
  /** The kept scan, for `decodeScan`. */
  readonly kept: Uint8Array<SharedArrayBuffer>;
  readonly comparison: Comparison;
}

export function runScan({ root, limit, known, ...patterns }: ScanTask): TreeTable | undefined {
  return scanDirectory(root, {
    ...filterOf(patterns),
    ...defined({ limit, known }),
  });
}

export function runComparison({ task, kept, comparison }: ComparisonTask): void {
  const table = decodeScan(kept)?.table;
  if (table !== undefined) comparer(task.root, table, filterOf(task), comparison)();
}

export function filterOf({ include, exclude }: Pick<ScanTask, "include" | "exclude">): ScanFilter {
  const excluded = matcherOf("excludepatterns", exclude);
  return {
    include: include && matcherOf("includepatterns", include),
    exclude: excluded.rules.length === 0 ? undefined : excluded,
  };
}

/** Errors are in the words of BuildKit's file transfer. */
function matcherOf(kind: string, patterns: IgnoreFile | readonly string[]): IgnoreMatcher {
  try {
    return createIgnoreMatcher(patterns);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const list = "patterns" in patterns ? patterns.patterns : patterns;
    const message = `invalid ${kind}: [${list.join(" ")}]: ${error.message}`;
    const isAttempt = kind === "includepatterns" && list.some((pattern) => pattern.startsWith("["));
    const json = isAttempt
      ? 'if a JSON array was meant, it takes double quotes and commas: ["a", "b"]'
      : undefined;
    const hints = [error.hint, json].filter((hint) => hint !== undefined);
    throw new BuildError(error.code, message, defined({ hint: hints.join("; ") || undefined }));
  }
}

/** Include patterns with the followed paths; `undefined` when everything is included. */
export function includePatterns(
  root: BytePath,
  include: readonly string[],
  follow: readonly BytePath[],
): readonly string[] | undefined {
  if (follow.length === 0) return include.length === 0 ? undefined : include;
  const followed = followLinks(root, follow, matchName);
  return followed && [...include, ...followed.map(textOf)];
}
