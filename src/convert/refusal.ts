import { BuildError } from "../core/index.ts";

/** Why a Dockerfile is left as it is. */
export function cannotConvert(reason: string, hint?: string): BuildError {
  return new BuildError("failed-precondition", `this Dockerfile is not converted: ${reason}`, { hint });
}
