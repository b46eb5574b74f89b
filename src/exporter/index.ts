export type { Annotation, AnnotationKind } from "./annotations.ts";
export { parseAnnotation } from "./annotations.ts";
export type { CommittedImage, ExportSource, PlatformDraft } from "./commit.ts";
export type { ExportOptions, ExportStores } from "./destination.ts";
export { type ExportResult, exportResult } from "./export.ts";
export type { ImageAttributes, PushAttributes } from "./image-attributes.ts";
export type { Loaded, LocalEngine } from "./load/index.ts";
export { type Output, parseOutput } from "./output.ts";
export type { PushedImage, PushImageOptions } from "./push.ts";

// Loaded on demand: most builds push nothing.
export const pushImage: typeof import("./push.ts").pushImage = async (...call) =>
  (await import("./push.ts")).pushImage(...call);
export const pushCommitted: typeof import("./push.ts").pushCommitted = async (...call) =>
  (await import("./push.ts")).pushCommitted(...call);

/** Loaded on demand: most builds load nothing into an engine. */
export const localEngines = () => import("./load/index.ts");
