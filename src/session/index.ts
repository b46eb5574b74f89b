export { parseSecret, parseSsh } from "./flags.ts";
export { createMask, type Mask, type MaskedStream } from "./mask.ts";
export { openSession, type SessionOptions } from "./session.ts";
export type * from "./types.ts";
