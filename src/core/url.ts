/** A URL or `user@host:path` for people and for what is kept: a password or token in it is left out. */
export function shownUrl(url: string): string {
  const [, start, authority, rest] = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*@)(.*)$/is.exec(url) ?? [];
  if (start === undefined) return url;
  const user = authority!.slice(0, -1);
  const colon = user.indexOf(":");
  const secret = /^https?:/i.test(start) ? "xxxxx@" : `${user}@`;
  return `${start}${colon < 0 ? secret : `${user.slice(0, colon)}:xxxxx@`}${rest}`;
}

/** A text, such as a line of a Dockerfile, without the users and passwords of the http URLs in it. */
export function withoutLogins(text: string): string {
  return text.replace(/\bhttps?:\/\/[^\s/?#"'`]*@/gi, (start) => shownUrl(start));
}

/** Percent signs that stand for themselves are left as they are. */
export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The `Authorization` header for user and password as a URL has them. */
export function basicAuthorization(user: string, password: string): string {
  const pair = `${percentDecoded(user)}:${percentDecoded(password)}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}
