export { createExecutor, type ExecutorOptions } from "./executor.ts";
export { detectRuntime, type Runtime } from "./runtime.ts";
export { sweep } from "./state-dir.ts";
export type * from "./types.ts";
