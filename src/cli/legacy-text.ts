import type { BuildResult } from "../build/index.ts";
import { BuildError, familiarReference, parseReference } from "../core/index.ts";
import { printableLine } from "./progress/format.ts";
import { shortId } from "./text-table.ts";

/** The classic builder's last lines. */
export function legacyEnd({ imageId, names }: Pick<BuildResult, "imageId" | "names">): string {
  const built = imageId === undefined ? "" : `Successfully built ${shortId(imageId)}\n`;
  const tagged = names.map((name) => `Successfully tagged ${familiarReference(parseReference(name))}\n`);
  return built + tagged.join("");
}

/**
 * What the classic builder said of a RUN that failed, whose output is on screen already, and the exit code of
 * `docker build`: that of the command. Undefined for other failures.
 */
export function failedProcess(error: unknown): { message: string; code: number } | undefined {
  if (!(error instanceof BuildError)) return undefined;
  const { command, exitCode } = error.details;
  if (command === undefined || exitCode === undefined) return undefined;
  return {
    message: `The command '${printableLine(command)}' returned a non-zero code: ${exitCode}\n`,
    code: exitCode,
  };
}
