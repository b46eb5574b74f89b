import { goText } from "../../core/index.ts";
import type { Step } from "../stage-state.ts";
import { warn } from "./warn.ts";

const sensitive =
  /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i;
const harmless = /(?:_|^)(?:public|file|version)(?:_|$)/i;

/** Warns of a variable that by its name holds a secret, which would stay in the image's configuration or history. */
export function warnOfSecret(step: Step, keyword: "ARG" | "ENV", key: string): void {
  if (!sensitive.test(key) || harmless.test(key)) return;
  const message = `Do not use ARG or ENV instructions for sensitive data (${keyword} ${goText.quote(key)})`;
  warn(step, "SecretsUsedInArgOrEnv", message);
}
