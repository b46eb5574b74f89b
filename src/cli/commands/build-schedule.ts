import { BuildError } from "../../core/index.ts";
import type { Call } from "../command.ts";

export type Schedule = "parallel" | "legacy";

/**
 * Which schedule a build follows: `--builder` says it, else `DOCKER_BUILDKIT`, which is `0` for docker's users who want
 * the classic builder. `variable` is undefined for commands that do not look at it.
 */
export function scheduleOf(call: Call, variable: string | undefined): Schedule {
  const builder = call.get("builder");
  if (builder === "legacy") return "legacy";
  if (builder === "default") return "parallel";
  if (builder !== undefined && builder !== "")
    throw new BuildError("unimplemented", `--builder ${builder}: there are default and legacy`);
  if (variable === undefined || variable === "" || /^(1|t|true)$/i.test(variable)) return "parallel";
  if (/^(0|f|false)$/i.test(variable)) return "legacy";
  throw new BuildError(
    "invalid-argument",
    `DOCKER_BUILDKIT environment variable expects boolean value, not ${JSON.stringify(variable)}`,
  );
}
