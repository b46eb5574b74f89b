/**
 * How Go prints and orders values. LLB and image configurations hold such texts and are hashed, so equal content must be
 * equal bytes.
 */

const escapes: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
};

const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** `%q` of a string. */
export function quote(text: string): string {
  let quoted = '"';
  for (const char of text) quoted += char === '"' ? '\\"' : escapeChar(char);
  return `${quoted}"`;
}

/** `%q` of an integer: the character with that number. */
export function quoteInteger(value: number): string {
  const valid = value >= 0 && value <= 0x10ffff && !(value >= 0xd800 && value < 0xe000);
  const char = String.fromCodePoint(valid ? value : 0xfffd);
  return `'${char === "'" ? "\\'" : escapeChar(char)}'`;
}

function escapeChar(char: string): string {
  const escaped = escapes[char];
  if (escaped !== undefined) return escaped;
  const code = char.codePointAt(0)!;
  if ((code >= 0x20 && code < 0x7f) || printable.test(char)) return char;
  const hex = code.toString(16);
  if (code < 0x80) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** `%q` of a list of strings. */
export function quoteList(items: readonly string[]): string {
  return `[${items.map(quote).join(" ")}]`;
}

/** `%v` of a list of strings. */
export function plainList(items: readonly string[]): string {
  return `[${items.join(" ")}]`;
}

/** `time.Duration.String()` of nanoseconds: `1h2m3.5s`, `1.5ms`, `0s`. */
export function duration(nanoseconds: number): string {
  if (nanoseconds === 0) return "0s";
  const size = Math.abs(nanoseconds);
  const sign = nanoseconds < 0 ? "-" : "";
  if (size < 1e3) return `${sign}${size}ns`;
  if (size < 1e6) return `${sign}${fraction(size, 3)}µs`;
  if (size < 1e9) return `${sign}${fraction(size, 6)}ms`;
  const whole = Math.floor(size / 1e9);
  const seconds = fraction(size - Math.floor(whole / 60) * 60e9, 9);
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`;
}

/** `value` divided by 10^digits, exactly, without trailing zeros. */
function fraction(value: number, digits: number): string {
  const text = String(value).padStart(digits + 1, "0");
  const rest = text.slice(-digits).replace(/0+$/, "");
  return text.slice(0, -digits) + (rest === "" ? "" : `.${rest}`);
}

/** JSON as Go's encoder writes it: `<`, `>`, `&` and the two line separators are escaped. */
export function json(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Orders text as Go does: by the bytes of its UTF-8, which for characters beyond U+FFFF is not JavaScript's order. */
export function compare(a: string, b: string): number {
  if (a === b) return 0;
  for (let i = 0; i < a.length && i < b.length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    if (isSurrogate(x) === isSurrogate(y)) return x - y;
    return isSurrogate(x) ? 1 : -1;
  }
  return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xe000;
}

/** An object with its keys in byte order, as Go writes maps. */
export function sortedMap<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  const keys = Object.keys(map).sort(compare);
  return Object.fromEntries(keys.map((key) => [key, map[key] as T]));
}

/** A point in time as Go's RFC 3339 has it: no trailing zeros in the fraction. `ms` since the epoch. */
export function time(ms: number): string {
  return normaliseTime(new Date(ms).toISOString());
}

/** Rewrites a time as Go does when it parses and prints it. Nanoseconds survive. */
export function normaliseTime(text: string): string {
  return text.replace(/\.(\d*?)0*(?=Z|[+-]\d\d:\d\d$)/, (_, digits: string) =>
    digits === "" ? "" : `.${digits}`,
  );
}

/** A boolean as `strconv.ParseBool` reads it; undefined when it is none. */
export function parseBool(text: string): boolean | undefined {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  return /^(0|f|F|FALSE|false|False)$/.test(text) ? false : undefined;
}
