import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, type Bytes } from "../core/index.ts";
import { parseChallenges, readToken, type Token, tokenUrl } from "./authorization.ts";
import type { Endpoint } from "./endpoint.ts";
import { failureOf, unreachable } from "./failure.ts";
import { discard, type HttpResponse, type Transport } from "./response.ts";

export interface EndpointRequest {
  readonly endpoint: Endpoint;
  readonly method: "GET" | "HEAD";
  /** Below the repository: `manifests/latest`, `blobs/sha256:…`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** Sends requests to endpoints: follows redirects, fetches tokens, tries again what failed for a passing reason. */
export interface Requests {
  /** Resolves with any answer that is final, errors such as 404 included; rejects when there is none. */
  send(request: EndpointRequest): Promise<HttpResponse>;
  /** Waits before attempt `attempt` (from 1) of something that broke off. */
  pause(attempt: number, signal: AbortSignal | undefined): Promise<void>;
  readonly attempts: number;
}

const maxRedirects = 10;
/** A registry that wants a longer pause gets an error shown instead. */
const longestPause = 30_000;
/** A token is not used in the last seconds of its life: clocks differ and requests take time. */
const tokenMargin = 5_000;

export function createRequests(
  transport: Transport,
  options: { attempts: number; retryDelay: number },
): Requests {
  const { attempts, retryDelay } = options;
  const tokens = new Map<string, Token>();

  const pause = async (attempt: number, signal: AbortSignal | undefined, atLeast = 0): Promise<void> => {
    const backOff = retryDelay * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
    await sleep(
      Math.min(Math.max(backOff, atLeast), longestPause),
      undefined,
      signal === undefined ? {} : { signal },
    );
  };

  const persistently = async (
    host: string,
    signal: AbortSignal | undefined,
    once: () => Promise<HttpResponse>,
  ): Promise<HttpResponse> => {
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await once();
        const wait = retryAfter(response);
        if (!isPassing(response.status) || attempt >= attempts || wait > longestPause) return response;
        discard(response);
        await pause(attempt, signal, wait);
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof BuildError) throw error;
        if (!isPassingFailure(error) || attempt >= attempts) throw unreachable(host, error);
        await pause(attempt, signal);
      }
    }
  };

  const tokenFor = async (
    challenge: HttpResponse,
    { endpoint, signal }: EndpointRequest,
  ): Promise<Token | undefined> => {
    const bearer = parseChallenges(String(challenge.headers["www-authenticate"] ?? "")).find(
      ({ scheme }) => scheme === "bearer",
    );
    if (bearer === undefined) return undefined;
    const url = tokenUrl(bearer, endpoint);
    const response = await persistently(url.host, signal, () =>
      follow(transport, { method: "GET", url, headers: {}, settings: settingsFor(endpoint, url), signal }),
    );
    if (response.status === 401 || response.status === 403) {
      discard(response);
      return undefined;
    }
    if (response.status !== 200) throw await failureOf(response, `token for ${endpoint.scope}`);
    return readToken(response.body as Bytes, url.host, Date.now());
  };

  const sendOnce = async (request: EndpointRequest): Promise<HttpResponse> => {
    const { endpoint, method, path, headers = {}, signal } = request;
    const url = new URL(path, endpoint.repository);
    const key = endpoint.repository.href;
    const known = tokens.get(key);
    const usable = known !== undefined && known.expires - tokenMargin > Date.now() ? known : undefined;
    const attempt = (token: Token | undefined): Promise<HttpResponse> =>
      follow(transport, {
        method,
        url,
        headers: token === undefined ? headers : { ...headers, authorization: token.header },
        settings: endpoint.settings,
        signal,
      });
    const response = await attempt(usable);
    if (response.status !== 401 || response.url.origin !== url.origin) return response;
    const token = await tokenFor(response, request);
    if (token === undefined) return response;
    discard(response);
    tokens.set(key, token);
    return attempt(token);
  };

  return {
    attempts,
    pause,
    send: (request) => persistently(request.endpoint.host, request.signal, () => sendOnce(request)),
  };
}

/** TLS settings belong to the host that they were made for. */
function settingsFor(endpoint: Endpoint, url: URL): Endpoint["settings"] {
  return url.host === endpoint.repository.host ? endpoint.settings : {};
}

/**
 * Sends a request and follows redirects. Authorization goes to the origin it was made for and nowhere else, and no redirect
 * leads from HTTPS to plain HTTP.
 */
async function follow(transport: Transport, first: Parameters<Transport["send"]>[0]): Promise<HttpResponse> {
  const origin = first.url;
  let request = first;
  for (let redirects = 0; ; redirects++) {
    const response = await transport.send(request);
    if (![301, 302, 303, 307, 308].includes(response.status)) return response;
    const location = response.headers.location ?? "";
    discard(response);
    const refuse = (why: string): BuildError =>
      new BuildError(
        "unavailable",
        `registry ${origin.host} redirects to ${JSON.stringify(location)}: ${why}`,
      );
    if (redirects === maxRedirects) throw refuse(`more than ${maxRedirects} redirects`);
    if (location === "" || !URL.canParse(location, request.url.href)) throw refuse("that is not a URL");
    const url = new URL(location, request.url);
    if (url.protocol !== "https:" && url.protocol !== "http:") throw refuse("that is not an HTTP URL");
    if (url.protocol === "http:" && request.url.protocol === "https:")
      throw refuse("HTTPS may not lead to plain HTTP");
    const { authorization, ...others } = first.headers;
    const keeps = url.origin === origin.origin && authorization !== undefined;
    request = {
      ...first,
      url,
      headers: keeps ? { ...others, authorization } : others,
      settings: url.host === origin.host ? first.settings : {},
    };
  }
}

function isPassing(status: number): boolean {
  return (
    status === 408 || status === 429 || status === 500 || status === 502 || status === 503 || status === 504
  );
}

/** Whether a network error may be gone in a second. A refused connection or an unknown name is not. */
function isPassingFailure(error: unknown): boolean {
  const { code = "" } = error as NodeJS.ErrnoException;
  return ["ECONNRESET", "EPIPE", "ETIMEDOUT", "EAI_AGAIN", "ENETUNREACH", "EHOSTUNREACH"].includes(code);
}

/** Milliseconds that the server asks to wait: seconds or a date. */
function retryAfter(response: HttpResponse): number {
  const text = response.headers["retry-after"];
  if (text === undefined) return 0;
  const milliseconds = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(milliseconds, 0) : 0;
}
