import { setTimeout as sleep } from "node:timers/promises";
import type { Credentials } from "../config/index.ts";
import { BuildError, type Bytes, defined } from "../core/index.ts";
import {
  basicHeader,
  type Challenge,
  loginGoesElsewhere,
  mayLearnLogin,
  parseChallenges,
  readToken,
  type Token,
  tokenRequest,
  tokenUrl,
} from "./authorization.ts";
import type { Endpoint } from "./endpoint.ts";
import { failureOf, unreachable } from "./failure.ts";
import {
  discard,
  type HttpRequest,
  type HttpResponse,
  type RequestBody,
  type Transport,
} from "./response.ts";

export interface EndpointRequest {
  readonly endpoint: Endpoint;
  readonly method: HttpRequest["method"];
  /** Below the repository: `manifests/latest`, `blobs/sha256:…`. Or a whole address, which the registry gave. */
  readonly path: string | URL;
  readonly body?: RequestBody;
  /** What a token has to allow; default `pull` from the repository. */
  readonly scopes?: readonly string[];
  /** Whoever sends it sees to repetition: the request is not sent again by itself. */
  readonly once?: boolean;
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

/** Makes what sends the requests of a client: over `transport`, logged in where the registry wants it, again after a failure that passes. */
export function createRequests(
  transport: Transport,
  options: {
    attempts: number;
    retryDelay: number;
    /** The login for a registry host, asked for when a registry wants one. */
    credentials?: (host: string) => Promise<Credentials | undefined>;
  },
): Requests {
  const { attempts, retryDelay, credentials = async () => undefined } = options;
  const tokens = new Map<string, Token>();
  const pending = new Map<string, Promise<Token | undefined>>();
  const logins = new Map<string, Promise<Credentials | undefined>>();

  const loginFor = (host: string): Promise<Credentials | undefined> => {
    const login = logins.get(host) ?? credentials(host);
    logins.set(host, login);
    return login;
  };

  const pause = async (attempt: number, signal: AbortSignal | undefined, atLeast = 0): Promise<void> => {
    const backOff = retryDelay * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
    await sleep(Math.min(Math.max(backOff, atLeast), longestPause), undefined, defined({ signal }));
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

  const bearerToken = async (
    challenge: Challenge,
    { endpoint, signal, scopes }: EndpointRequest,
  ): Promise<Token | undefined> => {
    const url = tokenUrl(challenge, endpoint, scopes);
    const login = await loginFor(endpoint.host);
    if (login !== undefined && !mayLearnLogin(url, endpoint)) throw loginGoesElsewhere(url, endpoint);
    const settings = settingsFor(endpoint, url);
    const request =
      login === undefined ? { method: "GET" as const, url, headers: {} } : tokenRequest(url, login);
    const response = await persistently(url.host, signal, () =>
      follow(transport, { ...request, settings, signal }, login?.kind === "identity"),
    );
    if (response.status === 401 || response.status === 403) {
      discard(response);
      return undefined;
    }
    if (response.status !== 200) throw await failureOf(response, `token for ${endpoint.scope}`);
    return readToken(response.body as Bytes, url.host, Date.now());
  };

  const tokenFor = async (response: HttpResponse, request: EndpointRequest): Promise<Token | undefined> => {
    const challenges = parseChallenges(String(response.headers["www-authenticate"] ?? ""));
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer !== undefined) return bearerToken(bearer, request);
    if (!challenges.some(({ scheme }) => scheme === "basic")) return undefined;
    const login = await loginFor(request.endpoint.host);
    if (login?.kind !== "password") return undefined;
    return { header: basicHeader(login), expires: Number.POSITIVE_INFINITY };
  };

  /** Another token than the one that was refused; requests that wait for the same one share it. */
  const freshToken = async (
    key: string,
    refused: Token | undefined,
    fetch: () => Promise<Token | undefined>,
  ): Promise<Token | undefined> => {
    const known = tokens.get(key);
    if (known !== undefined && known !== refused && known.expires - tokenMargin > Date.now()) return known;
    const fetching = pending.get(key) ?? fetch().finally(() => pending.delete(key));
    pending.set(key, fetching);
    const token = await fetching;
    if (token !== undefined) tokens.set(key, token);
    return token;
  };

  const sendOnce = async (request: EndpointRequest): Promise<HttpResponse> => {
    const { endpoint, method, path, headers = {}, body, scopes, signal } = request;
    const url = new URL(path, endpoint.repository);
    const isOwn = url.origin === endpoint.repository.origin;
    const key = [endpoint.repository.href, ...(scopes ?? [])].join(" ");
    const known = isOwn ? tokens.get(key) : undefined;
    const usable = known !== undefined && known.expires - tokenMargin > Date.now() ? known : undefined;
    const attempt = (token: Token | undefined): Promise<HttpResponse> =>
      follow(transport, {
        method,
        url,
        headers: token === undefined ? headers : { ...headers, authorization: token.header },
        body,
        settings: settingsFor(endpoint, url),
        signal,
      });
    const response = await attempt(usable);
    if (response.status !== 401 || !isOwn || response.url.origin !== url.origin) return response;
    const token = await freshToken(key, usable, () => tokenFor(response, request));
    if (token === undefined || token.header === usable?.header) return response;
    discard(response);
    return attempt(token);
  };

  return {
    attempts,
    pause,
    send: (request) =>
      request.once
        ? sendOnce(request)
        : persistently(request.endpoint.host, request.signal, () => sendOnce(request)),
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
async function follow(transport: Transport, first: HttpRequest, secretBody = false): Promise<HttpResponse> {
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
    const keepsMethod = response.status === 307 || response.status === 308;
    if (!keepsMethod && first.method !== "GET" && first.method !== "HEAD")
      throw refuse(`status ${response.status} does not say that a ${first.method} may be sent there`);
    if (redirects === maxRedirects) throw refuse(`more than ${maxRedirects} redirects`);
    if (location === "" || !URL.canParse(location, request.url.href)) throw refuse("that is not a URL");
    const url = new URL(location, request.url);
    if (url.protocol !== "https:" && url.protocol !== "http:") throw refuse("that is not an HTTP URL");
    if (url.protocol === "http:" && request.url.protocol === "https:")
      throw refuse("HTTPS may not lead to plain HTTP");
    if (secretBody && url.origin !== origin.origin) throw refuse("a login is not sent to another host");
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
