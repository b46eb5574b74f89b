export { expandWord, expandWords } from "./expand.ts";
export type * from "./types.ts";
