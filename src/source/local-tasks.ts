import {
  BuildError,
  type BytePath,
  createIgnoreMatcher,
  type IgnoreFile,
  type IgnoreMatcher,
  textOf,
} from "../core/index.ts";
import { followLinks } from "./local-followlinks.ts";
import { matchName } from "./local-match.ts";
import { scanDirectory } from "./local-scan.ts";
import type { TreeTable } from "./local-table.ts";

/** What is scanned; plain data, for a worker. */
export interface ScanTask {
  /** Absolute, without symlinks. */
  readonly root: BytePath;
  readonly include: readonly string[];
  readonly exclude: IgnoreFile | readonly string[];
  readonly follow: readonly BytePath[];
  /** Entries beyond which the scan gives up. */
  readonly limit?: number;
}

export function runScan(task: ScanTask): TreeTable | undefined {
  const include = includePatterns(task);
  return scanDirectory(task.root, {
    include: include && matcherOf("includepatterns", include),
    exclude: excluder(task.exclude),
    ...(task.limit === undefined ? {} : { limit: task.limit }),
  });
}

function excluder(patterns: IgnoreFile | readonly string[]) {
  const matcher = matcherOf("excludepatterns", patterns);
  return matcher.rules.length === 0 ? undefined : matcher;
}

/** Errors are in the words of BuildKit's file transfer. */
function matcherOf(kind: string, patterns: IgnoreFile | readonly string[]): IgnoreMatcher {
  try {
    return createIgnoreMatcher(patterns);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const list = "patterns" in patterns ? patterns.patterns : patterns;
    const message = `invalid ${kind}: [${list.join(" ")}]: ${error.message}`;
    throw new BuildError(error.code, message, { hint: error.hint });
  }
}

/** Include patterns with the followed paths; `undefined` when everything is included. */
function includePatterns(task: ScanTask): readonly string[] | undefined {
  if (task.follow.length === 0) return task.include.length === 0 ? undefined : task.include;
  const followed = followLinks(task.root, task.follow, matchName);
  return followed && [...task.include, ...followed.map(textOf)];
}
