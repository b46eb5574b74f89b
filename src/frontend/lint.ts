import { BuildError, toBuildError } from "../core/index.ts";
import { checkOptionsOf, shownWarnings, type Warning } from "../dockerfile/index.ts";
import { allCapabilities } from "./capabilities.ts";
import { type ConvertedDockerfile, checkArgument, convertDockerfile, lintFailure } from "./frontend.ts";
import { parseOwnSyntax } from "./read.ts";
import type { Bridge, FrontendOptions } from "./types.ts";

/** What BuildKit's checks find. */
export interface LintResult {
  readonly warnings: readonly Warning[];
  /** Why the file cannot be built, where that can be seen without building. */
  readonly error?: BuildError;
  /** Absent when the file cannot be built. */
  readonly converted?: ConvertedDockerfile;
}

/**
 * Checks a Dockerfile without building it: every stage when no target is asked for, else what the target needs. A
 * file that cannot be built is a finding too; what was noticed before is then reported beside it.
 */
export async function lintDockerfile(
  content: Uint8Array | string,
  options: FrontendOptions,
  bridge: Bridge,
): Promise<LintResult> {
  try {
    const dockerfile = parseOwnSyntax(content, options.file, options.buildArgs);
    const checks = checkOptionsOf(dockerfile, options.buildArgs?.[checkArgument]);
    const found: Warning[] = [];
    const all = { ...options, capabilities: allCapabilities, allStages: !options.target };
    try {
      const converted = await convertDockerfile(dockerfile, content, all, bridge, found);
      const warnings = shownWarnings(found, dockerfile, checks);
      const failed = checks.error && warnings.length > 0;
      return {
        warnings,
        converted,
        ...(failed && { error: withoutPlace(lintFailure(converted.source, warnings)) }),
      };
    } catch (error) {
      return { warnings: shownWarnings(found, dockerfile, checks), error: checked(error) };
    }
  } catch (error) {
    return { warnings: [], error: checked(error) };
  }
}

/** A failure of the program or an interruption is no finding. */
function checked(error: unknown): BuildError {
  const failure = toBuildError(error);
  if (failure.code === "canceled" || !(error instanceof BuildError)) throw error;
  return failure;
}

/** The warnings have their places themselves. */
function withoutPlace({ code, message }: BuildError): BuildError {
  return new BuildError(code, message);
}
