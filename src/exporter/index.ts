export { type ExportOptions, type ExportResult, type ExportStores, exportResult } from "./export.ts";
export { type Output, parseOutput } from "./output.ts";
export type { PushedImage, PushImageOptions } from "./push.ts";

// Loaded on demand: most builds push nothing.
export const pushImage: typeof import("./push.ts").pushImage = async (...call) =>
  (await import("./push.ts")).pushImage(...call);
