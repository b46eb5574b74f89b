export type * from "./image-config.ts";
export type * from "./types.ts";
