export * from "./byte-path.ts";
export * from "./bytes.ts";
export * from "./descriptor.ts";
export * from "./digest.ts";
export * from "./errors.ts";
export * from "./events.ts";
export * from "./platform.ts";
export * from "./source-range.ts";
