export { parseSecret, parseSsh } from "./flags.ts";
export type { Mask, MaskedStream } from "./mask.ts";
export { openSession, type SessionOptions } from "./session.ts";
export type * from "./types.ts";
