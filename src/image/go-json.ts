/**
 * JSON as Go's encoding/json writes it: what BuildKit makes of a configuration is hashed, so equal content should be
 * equal bytes. Differs from JSON.stringify in escaping `<`, `>`, `&` and the two line separators.
 */
export function goJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** An object with its keys in byte order, as Go writes maps. */
export function sortedMap<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  const keys = Object.keys(map).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return Object.fromEntries(keys.map((key) => [key, map[key] as T]));
}

/** A point in time as Go's RFC 3339 has it: no trailing zeros in the fraction. `ms` since the epoch. */
export function goTime(ms: number): string {
  return normaliseTime(new Date(ms).toISOString());
}

/** Rewrites a time as Go does when it parses and prints it. Nanoseconds survive. */
export function normaliseTime(text: string): string {
  return text.replace(/\.(\d*?)0*(?=Z|[+-]\d\d:\d\d$)/, (_, digits: string) =>
    digits === "" ? "" : `.${digits}`,
  );
}
