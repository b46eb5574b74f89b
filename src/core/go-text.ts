/**
 * How Go prints values. History entries of images hold such texts, so they are part of an image's identity.
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
