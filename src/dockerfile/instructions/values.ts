import { BuildError } from "../../core/index.ts";

function invalid(message: string): never {
  throw new BuildError("invalid-argument", message);
}

/** The fields of one line of CSV (RFC 4180), as `--mount` and `--device` are written. */
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

/** A boolean as Go's `strconv.ParseBool` reads it; undefined when it is none. */
export function parseBool(text: string): boolean | undefined {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  return /^(0|f|F|FALSE|false|False)$/.test(text) ? false : undefined;
}

const nanoseconds: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** A duration as Go writes it (`1m30s`, `1.5h`, `0`), in nanoseconds. Throws as Go does. */
export function parseDuration(text: string): number {
  const bad = (): never => invalid(`time: invalid duration ${JSON.stringify(text)}`);
  const [, sign, body = ""] = /^([-+]?)(.*)$/s.exec(text) ?? [];
  if (body === "0") return 0;
  if (body === "") bad();
  let total = 0;
  for (let rest = body; rest !== ""; ) {
    const match = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest);
    if (match === null) return bad();
    const unit = match[2]!;
    if (unit === "") invalid(`time: missing unit in duration ${JSON.stringify(text)}`);
    if (!Object.hasOwn(nanoseconds, unit))
      invalid(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    total += Math.round(Number(match[1]) * nanoseconds[unit]!);
    rest = rest.slice(match[0].length);
  }
  if (total > 2 ** 63) bad();
  return sign === "-" ? -total : total;
}
