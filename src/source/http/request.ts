import { setTimeout as sleep } from "node:timers/promises";
import {
  BuildError,
  basicAuthorization,
  defined,
  foreignText,
  shownUrl,
  toBuildError,
} from "../../core/index.ts";
import { discard, type HttpResponse, type Transport } from "../../registry/index.ts";

const redirects = new Set([301, 302, 303, 307, 308]);
const maxRedirects = 10;

/** Answers that a later attempt may turn out better. */
const passing = new Set([429, 502, 503, 504]);
const attempts = 3;

export interface GetRequest {
  /** May hold a user and password, which become a header. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * GETs a URL, follows redirects, and tries again when a server or a line is busy. Returns an answer of 2xx or 304 whose body
 * is not read yet; everything else is an error that names the URL, without what is secret in it. Credentials go to the
 * host that they are for and to no other.
 */
export async function get(transport: Transport, request: GetRequest): Promise<HttpResponse> {
  for (let attempt = 1; ; attempt++) {
    const last = attempt === attempts;
    try {
      const response = await follow(transport, request);
      const { status } = response;
      if (status === 304 || (status >= 200 && status < 300)) return response;
      discard(response);
      if (last || !passing.has(status)) throw statusError(request.url, response);
    } catch (error) {
      if (request.signal?.aborted) throw error;
      if (error instanceof BuildError) throw error;
      if (last || !isPassing(error)) throw lineError(request.url, error);
    }
    await sleep(250 * 2 ** (attempt - 1), undefined, defined({ signal: request.signal }));
  }
}

async function follow(
  transport: Transport,
  { url: text, headers = {}, signal }: GetRequest,
): Promise<HttpResponse> {
  let url = parse(text, text);
  const origin = url.origin;
  const authorization = basicOf(url);
  for (let hop = 0; hop <= maxRedirects; hop++) {
    url.username = "";
    url.password = "";
    const { authorization: given, ...plain } = headers;
    const secret = given ?? authorization;
    const mine = url.origin === origin && secret !== undefined ? { authorization: secret } : {};
    const sent = { ...plain, ...mine };
    const response = await transport.send({ method: "GET", url, headers: sent, settings: {}, signal });
    const { location } = response.headers;
    if (!redirects.has(response.status) || location === undefined) return response;
    discard(response);
    url = parse(location, text, url);
  }
  throw new BuildError("failed-precondition", `${shownUrl(text)}: more than ${maxRedirects} redirects`);
}

function parse(text: string, asked: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url === null)
    throw new BuildError(
      "invalid-argument",
      `${shownUrl(asked)}: ${JSON.stringify(shownUrl(text))} is no URL`,
    );
  if (url.protocol === "http:" || url.protocol === "https:") return url;
  throw new BuildError(
    "permission-denied",
    `${shownUrl(asked)}: redirected to ${url.protocol}, which is not followed`,
    { hint: "only http and https are fetched" },
  );
}

function basicOf({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  return basicAuthorization(username, password);
}

function statusError(url: string, { status, body }: HttpResponse): BuildError {
  const code =
    status === 404 || status === 410
      ? "not-found"
      : status === 401
        ? "unauthenticated"
        : status === 403
          ? "permission-denied"
          : "unavailable";
  const phrase = body.statusMessage ? ` ${foreignText(body.statusMessage)}` : "";
  return new BuildError(code, `${shownUrl(url)}: invalid response status ${status}${phrase}`, {
    hint:
      status === 401 || status === 403
        ? "give credentials with --secret id=HTTP_AUTH_HEADER_<host> or HTTP_AUTH_TOKEN_<host>"
        : undefined,
  });
}

const passingErrors = new Set([
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

function isPassing(error: unknown): boolean {
  return passingErrors.has((error as NodeJS.ErrnoException).code ?? "");
}

/** What went wrong on the way, with the URL that it was about. */
export function lineError(url: string, error: unknown): BuildError {
  const failure = toBuildError(error);
  const code = failure.code === "internal" ? "unavailable" : failure.code;
  return new BuildError(code, `${shownUrl(url)}: ${failure.message}`, {
    hint: failure.hint ?? "check the network, HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
    cause: error,
  });
}
