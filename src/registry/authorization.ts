import { isIP } from "node:net";
import type { Credentials } from "../config/index.ts";
import { BuildError, type Bytes, collect } from "../core/index.ts";
import type { Endpoint } from "./endpoint.ts";
import { bodyOf, type RequestBody } from "./response.ts";

/** A `WWW-Authenticate` challenge: scheme in lower case, parameters by lower-case name. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface Token {
  /** Value of the Authorization header. */
  readonly header: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

const maxTokenBody = 1024 * 1024;
/** What the token protocol assumes when the server does not say. */
const defaultLifetime = 60;

/** Parses a `WWW-Authenticate` header, which may hold several challenges. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  const item =
    /([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?[ \t]*(,?)[ \t]*/y;
  for (let at = 0; at < header.length; at = item.lastIndex) {
    item.lastIndex = at;
    const match = item.exec(header);
    if (match === null) break;
    const [, word = "", quoted, bare] = match;
    const value = quoted === undefined ? bare : quoted.replace(/\\(.)/g, "$1");
    if (value === undefined) challenges.push({ scheme: word.toLowerCase(), parameters: {} });
    else {
      const last = challenges.at(-1);
      if (last !== undefined) last.parameters[word.toLowerCase()] = value;
    }
  }
  return challenges;
}

/**
 * Where a token for an endpoint is to be fetched, from its challenge. The server names the address, so it is checked:
 * an absolute http(s) URL without credentials in it, and plain HTTP only where the registry itself is spoken to in it.
 */
export function tokenUrl(
  challenge: Challenge,
  endpoint: Endpoint,
  scopes: readonly string[] = [`repository:${endpoint.scope}:pull`],
): URL {
  const { realm = "", service } = challenge.parameters;
  const refuse = (why: string): BuildError =>
    new BuildError(
      "unauthenticated",
      `registry ${endpoint.host} sends clients to ${JSON.stringify(realm)} for a token: ${why}`,
    );
  if (!URL.canParse(realm)) throw refuse("that is not a URL");
  const url = new URL(realm);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw refuse("that is not an HTTP URL");
  if (url.username !== "" || url.password !== "") throw refuse("a URL with credentials is refused");
  if (url.protocol === "http:" && endpoint.repository.protocol === "https:")
    throw refuse("a registry that speaks HTTPS may not ask for tokens over plain HTTP");
  if (service !== undefined) url.searchParams.set("service", service);
  if (scopes.length > 0) url.searchParams.delete("scope");
  for (const scope of scopes) url.searchParams.append("scope", scope);
  return url;
}

/**
 * Whether a login for the registry may be sent to a token server: the registry's own address, an HTTPS server of the
 * same site (docs/adr/0010), or one that the settings name.
 */
export function mayLearnLogin(url: URL, endpoint: Endpoint): boolean {
  const own = endpoint.repository;
  if (url.origin === own.origin) return true;
  if (endpoint.settings.realms?.includes(url.host)) return true;
  if (url.protocol !== "https:" || own.protocol !== "https:") return false;
  const site = siteOf(own.hostname);
  return site !== undefined && (url.hostname === site || url.hostname.endsWith(`.${site}`));
}

/**
 * The domain whose hosts belong together: the registry's name without its first label, as long as two labels are
 * left and they are not a registry of domains (`co.uk`). Addresses and single labels have none.
 */
function siteOf(hostname: string): string | undefined {
  if (isIP(hostname.replace(/^\[|\]$/g, "")) !== 0) return undefined;
  const labels = hostname.split(".");
  if (labels.length < 2) return undefined;
  const parent = labels.slice(1);
  const shared =
    parent.length < 2 || (parent.length === 2 && /^[a-z]{1,3}\.[a-z]{2}$/.test(parent.join(".")));
  return (shared ? labels : parent).join(".");
}

/** The error of a registry that wants its users' logins sent elsewhere. */
export function loginGoesElsewhere(url: URL, endpoint: Endpoint): BuildError {
  return new BuildError(
    "unauthenticated",
    `registry ${endpoint.host} sends clients to ${url.origin} for a token: its login is not sent there`,
    {
      hint: `if that server is right, add realms = [${JSON.stringify(url.host)}] to the registry's settings; or log out`,
    },
  );
}

/** The Authorization header of a user name and password. */
export function basicHeader(credentials: Extract<Credentials, { kind: "password" }>): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64")}`;
}

/** A token request that shows a login: a password in a header, a refresh token in a form as OAuth 2 has it. */
export function tokenRequest(
  url: URL,
  credentials: Credentials,
): { method: "GET" | "POST"; url: URL; headers: Record<string, string>; body?: RequestBody } {
  if (credentials.kind === "password") {
    url.searchParams.set("account", credentials.username);
    return { method: "GET", url, headers: { authorization: basicHeader(credentials) } };
  }
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: credentials.token,
    service: url.searchParams.get("service") ?? "",
    client_id: "stagewright",
  });
  const scopes = url.searchParams.getAll("scope");
  if (scopes.length > 0) form.set("scope", scopes.join(" "));
  const target = new URL(url);
  target.searchParams.delete("scope");
  target.searchParams.delete("service");
  return {
    method: "POST",
    url: target,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: bodyOf(Buffer.from(form.toString())),
  };
}

/** Reads the token server's answer. */
export async function readToken(body: Bytes, host: string, now: number): Promise<Token> {
  const refuse = (why: string): BuildError =>
    new BuildError("unauthenticated", `token server ${host} sent ${why}`);
  const text = (await collect(body, maxTokenBody, `answer of token server ${host}`)).toString("utf8");
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw refuse("no JSON");
  }
  const { token, access_token, expires_in } = (answer ?? {}) as Record<string, unknown>;
  const value = token || access_token;
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value)) throw refuse("no token");
  const lifetime = typeof expires_in === "number" && expires_in > 0 ? expires_in : defaultLifetime;
  return { header: `Bearer ${value}`, expires: now + lifetime * 1000 };
}
