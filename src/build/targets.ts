import {
  BuildError,
  defined,
  type EventSink,
  formatPlatform,
  goText,
  type Platform,
  type SourceRange,
} from "../core/index.ts";
import type { ExportSource } from "../exporter/index.ts";
import {
  type Bridge,
  dockerfileToLlb,
  type FrontendOptions,
  type FrontendResult,
} from "../frontend/index.ts";
import type { BuildOptions } from "./options.ts";
import type { SolvedBuild } from "./solve.ts";

/** Whether the image becomes an index: for several platforms, or when BUILDKIT_MULTI_PLATFORM asks for it. */
export function makesIndex({ platforms = [], buildArgs = {} }: BuildOptions): boolean {
  const several = platforms.length > 1;
  const { BUILDKIT_MULTI_PLATFORM: argument = "" } = buildArgs;
  if (argument === "") return several;
  const asked = goText.parseBool(argument);
  if (asked === undefined)
    throw new BuildError("invalid-argument", `invalid boolean value for multi-platform: ${argument}`, {
      hint: "BUILDKIT_MULTI_PLATFORM is true or false",
    });
  if (!asked && several)
    throw new BuildError(
      "invalid-argument",
      "conflicting config: returning multiple target platforms is not allowed",
      { hint: "BUILDKIT_MULTI_PLATFORM=false, and several platforms" },
    );
  return asked;
}

/**
 * Turns a Dockerfile into one graph for each platform. What the graphs have in common, such as a stage `FROM
 * --platform=$BUILDPLATFORM`, is the same vertex in all of them, and is built once.
 */
export async function convertForPlatforms(
  dockerfile: Uint8Array,
  options: BuildOptions,
  frontend: FrontendOptions,
  bridge: Bridge,
): Promise<readonly FrontendResult[]> {
  const platforms: readonly (Platform | undefined)[] = options.platforms?.length
    ? options.platforms
    : [undefined];
  const multiPlatform = makesIndex(options);
  const once = sharedBridge(bridge);
  const results = await Promise.allSettled(
    platforms.map((platform) =>
      dockerfileToLlb(dockerfile, { ...frontend, multiPlatform, ...defined({ platform }) }, once),
    ),
  );
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

/** Asks for each image and platform once, whichever graph needs it first. */
function sharedBridge(bridge: Bridge): Bridge {
  const asked = new Map<string, ReturnType<Bridge["resolveImage"]>>();
  return {
    resolveImage(ref, request) {
      const key = `${ref} ${formatPlatform(request.platform)} ${request.resolveMode} ${request.ociStore}`;
      let answer = asked.get(key);
      if (answer === undefined) {
        answer = bridge.resolveImage(ref, request);
        asked.set(key, answer);
      }
      return answer;
    },
  };
}

/** Warnings of the graphs, what they all say once. */
export function emitWarnings(results: readonly FrontendResult[], file: string, emit: EventSink): void {
  const seen = new Set<string>();
  for (const { rule, message, ranges, url } of results.flatMap(({ warnings }) => warnings)) {
    const key = `${rule} ${message} ${ranges.map(startOf).join()}`;
    if (seen.has(key)) continue;
    seen.add(key);
    emit({
      kind: "warning",
      level: 1,
      short: message,
      file,
      ranges,
      ...defined({ rule, url }),
    });
  }
}

function startOf({ start }: SourceRange): string {
  return `${start.line}:${start.column}`;
}

/** What the solved graphs give to the exporter. */
export function exportSource(
  results: readonly FrontendResult[],
  solved: readonly SolvedBuild[],
  index: boolean,
): ExportSource {
  const platforms = solved.map(({ draft }, i) => {
    const result = results[i];
    if (result === undefined) throw new BuildError("internal", "a graph is solved that nobody made");
    const { os, architecture, variant } = result.config;
    return { platform: variant ? { os, architecture, variant } : { os, architecture }, draft };
  });
  return { platforms, index };
}
