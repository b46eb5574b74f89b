import { BuildError } from "../core/index.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Manifests and configurations larger than this are refused, as registries and containerd do. */
export const jsonLimit = 4 * 1024 * 1024;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Parses a JSON object of foreign origin. Throws `invalid-argument` that begins with `where`. */
export function parseJson(bytes: Uint8Array, where: string): JsonObject {
  if (bytes.length > jsonLimit)
    throw new BuildError(
      "invalid-argument",
      `${where}: ${bytes.length} bytes of JSON; at most ${jsonLimit} are accepted`,
    );
  if (isDeep(bytes))
    throw new BuildError(
      "invalid-argument",
      `${where}: JSON that is nested more than ${deepest} levels deep`,
    );
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new BuildError("invalid-argument", `${where}: not valid JSON`, { cause: error });
  }
  return object(value, where);
}

/** Levels; nothing that is meant to be read has as many, and functions that call themselves would not end well. */
const deepest = 500;

function isDeep(bytes: Uint8Array): boolean {
  const [quote, backslash] = [0x22, 0x5c];
  let depth = 0;
  let inText = false;
  for (let at = 0; at < bytes.length && depth <= deepest; at++) {
    const byte = bytes[at]!;
    if (byte === quote) inText = !inText;
    else if (inText) at += byte === backslash ? 1 : 0;
    // `[` and `{`, `]` and `}` differ by one bit.
    else if ((byte | 0x20) === 0x7b) depth++;
    else if ((byte | 0x20) === 0x7d) depth--;
  }
  return depth > deepest;
}

/** Checks that foreign JSON is an object; `where` is for the error. */
export function object(value: unknown, where: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw wrongType(where, "an object", value);
}

/** The same for an array. */
export function array(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw wrongType(where, "an array", value);
}

/** The same for a string. */
export function string(value: unknown, where: string): string {
  if (typeof value === "string") return value;
  throw wrongType(where, "a string", value);
}

/** The same for an array of strings. */
export function strings(value: unknown, where: string): readonly string[] {
  return array(value, where).map((item, i) => string(item, `${where}[${i}]`));
}

/** A size in bytes. */
export function size(value: unknown, where: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw wrongType(where, "a size in bytes", value);
}

/** Applies `check` unless the value is absent or null. */
export function optional<T>(
  value: unknown,
  where: string,
  check: (value: unknown, where: string) => T,
): T | undefined {
  return value === undefined || value === null ? undefined : check(value, where);
}

function wrongType(where: string, wanted: string, value: unknown): BuildError {
  const shown = value === undefined ? "missing" : JSON.stringify(value).slice(0, 80);
  return new BuildError("invalid-argument", `${where}: ${wanted} is expected, found ${shown}`);
}
