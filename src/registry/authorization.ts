import { BuildError, type Bytes, collect } from "../core/index.ts";
import type { Endpoint } from "./endpoint.ts";

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
export function tokenUrl(challenge: Challenge, endpoint: Endpoint): URL {
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
  url.searchParams.set("scope", `repository:${endpoint.scope}:pull`);
  return url;
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
