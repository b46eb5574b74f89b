import { goText } from "../core/index.ts";
import type { FrontendOptions, FrontendWarning } from "./types.ts";

/** Build arguments that steer the build and that no ARG needs to declare: those that BuildKit's reference lists. */

type BuildArgs = FrontendOptions["buildArgs"];

/** What the arguments say beside the options; an empty host name is none. */
export function argumentSettings(
  buildArgs: BuildArgs = {},
): Pick<FrontendOptions, "hostname" | "cacheNamespace"> {
  const hostname = buildArgs.BUILDKIT_SANDBOX_HOSTNAME;
  const cacheNamespace = buildArgs.BUILDKIT_CACHE_MOUNT_NS;
  return { ...(hostname && { hostname }), ...(cacheNamespace !== undefined && { cacheNamespace }) };
}

/** The frontend that an argument asks for instead of the file's `syntax` directive. */
export function syntaxArgument(buildArgs: BuildArgs = {}): string | undefined {
  return buildArgs.BUILDKIT_SYNTAX?.trim().split(" ", 1)[0];
}

/** Whether a frontend is the one that is built in: Dockerfile's in any version, or by the name BuildKit has for its own. */
export function isOwnSyntax(ref: string): boolean {
  return (
    ref === "dockerfile.v0" || /^((index\.)?docker\.io\/)?docker\/dockerfile(-upstream)?([:@]|$)/.test(ref)
  );
}

/** Warnings of arguments that ask for what is not done. */
export function argumentWarnings(buildArgs: BuildArgs = {}): FrontendWarning[] {
  if (!goText.parseBool(buildArgs.BUILDKIT_INLINE_CACHE ?? "")) return [];
  return [{ message: "BUILDKIT_INLINE_CACHE: no cache is written into the image yet", ranges: [] }];
}
