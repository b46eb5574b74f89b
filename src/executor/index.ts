export { type Diagnosis, diagnose, type Finding } from "./diagnose.ts";
export { cannotEmulate, emulationOf, emulatorMounts } from "./emulation.ts";
export { createExecutor, type ExecutorOptions } from "./executor.ts";
export type { PublishedPort } from "./network.ts";
export { capabilitiesLeft } from "./privileges.ts";
export { findTool } from "./runtime.ts";
export { singleIdHint } from "./single-id.ts";
export type * from "./types.ts";
export { UnknownUserError } from "./users.ts";
