export { toMultiStage } from "./convert.ts";
export type { ContextFiles, Conversion } from "./types.ts";
