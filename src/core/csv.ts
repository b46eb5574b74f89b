import { BuildError } from "./errors.ts";

/** The fields of one line of CSV (RFC 4180), as `--mount`, `--secret` and `--output` are written. Throws `invalid-argument` in Go's words. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  for (let at = 0; ; ) {
    const quoted = text[at] === '"';
    const end = quoted ? endOfQuoted(text, at) : text.indexOf(",", at);
    const stop = end < 0 ? text.length : end;
    const raw = text.slice(at, stop);
    const bare = quoted ? -1 : raw.indexOf('"');
    if (bare >= 0) invalid(text, at + bare, 'bare " in non-quoted-field');
    fields.push(quoted ? raw.slice(1, -1).replaceAll('""', '"') : raw);
    if (stop >= text.length) return fields;
    at = stop + 1;
  }
}

function endOfQuoted(text: string, start: number): number {
  let at = start + 1;
  for (let quote = at; quote < text.length; quote++) {
    if (text[quote] !== '"') continue;
    if (text[quote + 1] === '"') quote++;
    else if (quote + 1 === text.length || text[quote + 1] === ",") return quote + 1;
    else invalid(text, quote, extraneous);
    at = quote + 1;
  }
  return invalid(text, at, extraneous);
}

const extraneous = 'extraneous or missing " in quoted-field';

/** Columns are bytes, from 1. */
function invalid(text: string, at: number, problem: string): never {
  const column = Buffer.byteLength(text.slice(0, at)) + 1;
  throw new BuildError("invalid-argument", `parse error on line 1, column ${column}: ${problem}`, {
    hint: `it reads: ${text}`,
  });
}
