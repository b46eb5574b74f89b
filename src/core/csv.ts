import { BuildError } from "./errors.ts";

/** The fields of one line of CSV (RFC 4180), as `--mount`, `--secret` and `--output` are written. Throws `invalid-argument` in Go's words. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  for (let at = 0; ; ) {
    const quoted = text[at] === '"';
    const end = quoted ? endOfQuoted(text, at) : text.indexOf(",", at);
    const stop = end < 0 ? text.length : end;
    const raw = text.slice(at, stop);
    if (!quoted && raw.includes('"')) invalid(`bare " in non-quoted field: ${text}`);
    fields.push(quoted ? raw.slice(1, -1).replaceAll('""', '"') : raw);
    if (stop >= text.length) return fields;
    at = stop + 1;
  }
}

function endOfQuoted(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] !== '"') continue;
    if (text[at + 1] === '"') at++;
    else if (at + 1 === text.length || text[at + 1] === ",") return at + 1;
    else break;
  }
  return invalid(`extraneous or missing " in quoted-field: ${text}`);
}

function invalid(message: string): never {
  throw new BuildError("invalid-argument", message);
}
