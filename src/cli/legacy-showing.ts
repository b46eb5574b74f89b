import type { BuildResult } from "../build/index.ts";
import { BuildError, familiarReference, parseReference } from "../core/index.ts";
import { type Showing, warningText } from "./build-showing.ts";
import { printableLine } from "./progress/format.ts";
import { stderrTerminal, stdoutTerminal } from "./progress/index.ts";
import { legacyDisplay } from "./progress/legacy.ts";
import { shortId } from "./text-table.ts";

/**
 * The classic builder's display and words, on standard output as it had them, or on standard error where that is
 * taken by what is built.
 *
 * @param context the build context as the user named it
 */
export function legacyShowing(context: string, onStdout: boolean): Showing {
  const out = onStdout ? stdoutTerminal() : stderrTerminal();
  return {
    display: legacyDisplay(out, context),
    failed(error) {
      const failure = failedProcess(error);
      if (failure !== undefined) stderrTerminal().write(failure.message);
      return failure?.code;
    },
    made(result, warnings) {
      stderrTerminal().write(warningText(warnings));
      out.write(legacyEnd(result));
    },
  };
}

function legacyEnd({ imageId, names }: Pick<BuildResult, "imageId" | "names">): string {
  const built = imageId === undefined ? "" : `Successfully built ${shortId(imageId)}\n`;
  const tagged = names.map((name) => `Successfully tagged ${familiarReference(parseReference(name))}\n`);
  return built + tagged.join("");
}

/**
 * What the classic builder said of a RUN that failed, whose output is on screen already, and the exit code of
 * `docker build`: that of the command. Undefined for other failures.
 */
function failedProcess(error: unknown): { message: string; code: number } | undefined {
  if (!(error instanceof BuildError)) return undefined;
  const { command, exitCode } = error.details;
  if (command === undefined || exitCode === undefined) return undefined;
  return {
    message: `The command '${printableLine(command)}' returned a non-zero code: ${exitCode}\n`,
    code: exitCode,
  };
}
