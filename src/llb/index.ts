export type * from "./definition.ts";
export type * from "./graph.ts";
export * from "./op.ts";
