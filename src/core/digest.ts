import { createHash, hash } from "node:crypto";
import { BuildError } from "./errors.ts";

/** A content address: `sha256:` and 64 lower-case hex digits. Other algorithms are refused. */
export type Digest = `sha256:${string}`;

const pattern = /^sha256:[0-9a-f]{64}$/;

/** Whether `text` is a well-formed sha256 digest. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && pattern.test(text);
}

/** Parses a digest that comes from outside; throws `invalid-argument` when it is not one. */
export function parseDigest(text: unknown, where = "digest"): Digest {
  if (isDigest(text)) return text;
  throw new BuildError("invalid-argument", `${where}: not a sha256 digest: ${JSON.stringify(text)}`);
}

/** Digest of bytes that are already in memory. A string is hashed as UTF-8. */
export function digestOf(data: Uint8Array | string): Digest {
  return `sha256:${hash("sha256", data, "hex")}`;
}

/** The 64 hex digits of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}

/** Makes a digest from 64 hex digits that are known to be well formed. */
export function fromHex(hex: string): Digest {
  return `sha256:${hex}`;
}

/**
 * Digest of a sequence of fields. Each field is length-prefixed, so that ("ab","c") and ("a","bc") differ.
 * Used for cache keys; `undefined` and `""` differ.
 */
export function digestOfFields(...fields: readonly (string | number | boolean | undefined)[]): Digest {
  const state = createHash("sha256");
  for (const field of fields) {
    if (field === undefined) state.update("-;");
    else {
      const text = String(field);
      state.update(`${Buffer.byteLength(text)}:`).update(text);
    }
  }
  return `sha256:${state.digest("hex")}`;
}
