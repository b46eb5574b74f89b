import { BuildError, type Bytes, collect, type ErrorCode, foreignText } from "../core/index.ts";
import type { HttpResponse } from "./response.ts";

/** More of an error's text than anyone will read. */
const maxErrorBody = 64 * 1024;

/** Turns an answer that is not a success into an error; `what` names what was asked for. Reads the body. */
export async function failureOf(
  response: HttpResponse,
  what: string,
  action: "pull" | "push" = "pull",
): Promise<BuildError> {
  const said = await registryMessage(response);
  const { status, url } = response;
  switch (status) {
    case 401:
    case 403: {
      const text = `${action} access denied, repository does not exist or may require authorization`;
      return new BuildError(
        status === 401 ? "unauthenticated" : "permission-denied",
        `${what}: ${text}${said}`,
        {
          hint: "check the spelling, or log in with 'stagewright login'",
        },
      );
    }
    case 404:
      return new BuildError("not-found", `${what}: not found${said}`, {
        hint:
          action === "push"
            ? `registry ${url.host} takes no such image: check the name`
            : `registry ${url.host} knows no such image: check name and tag`,
      });
    case 429:
      return new BuildError(
        "resource-exhausted",
        `${what}: registry ${url.host} limits the rate of requests${said}`,
        {
          hint: "wait, or set a mirror for this registry",
        },
      );
    default:
      return new BuildError(
        codeOfStatus(status),
        `${what}: registry ${url.host} answered with status ${status}${said}`,
      );
  }
}

function codeOfStatus(status: number): ErrorCode {
  if (status >= 500) return "unavailable";
  if (status >= 400) return "failed-precondition";
  return "unknown";
}

/** What the registry says for itself, as `: text`, from `{"errors":[{"code","message"}]}`; empty when it says nothing. */
async function registryMessage(response: HttpResponse): Promise<string> {
  try {
    const text = (await collect(response.body as Bytes, maxErrorBody)).toString("utf8");
    const errors: unknown = (JSON.parse(text) as { errors?: unknown } | null)?.errors;
    if (!Array.isArray(errors)) return "";
    const parts = errors.slice(0, 3).map((error: { code?: unknown; message?: unknown } | null) => {
      const message = error?.message || error?.code;
      return typeof message === "string" ? foreignText(message) : "";
    });
    const joined = parts.filter((part) => part !== "").join(", ");
    return joined === "" ? "" : `: ${joined}`;
  } catch {
    return "";
  }
}

/** An error of the network, in the user's terms. */
export function unreachable(host: string, cause: unknown): BuildError {
  const { code = "", message = String(cause) } = cause as NodeJS.ErrnoException;
  const text = message === "" ? code : message;
  const certificate = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|ALTNAME/.test(code);
  const plain = code === "EPROTO" || code.startsWith("HPE_");
  const hint = certificate
    ? "add its certificate authority with NODE_EXTRA_CA_CERTS or the registry's `ca` setting"
    : plain
      ? "one side speaks HTTP and the other HTTPS: see the registry's `http` setting"
      : "check the name, the network, HTTPS_PROXY and NO_PROXY";
  return new BuildError("unavailable", `registry ${host} cannot be reached: ${text}`, { cause, hint });
}
