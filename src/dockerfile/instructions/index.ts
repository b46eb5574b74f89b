export { expandInstruction } from "./expand.ts";
export { parseDevice, resolveMount } from "./mounts.ts";
export { readInstruction } from "./read.ts";
export type * from "./types.ts";
