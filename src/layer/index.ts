export type * from "./types.ts";
export { openLayerWriter } from "./writer.ts";
