export { type RunDependencies, type RunOptions, runContainer } from "./run.ts";
export { parseVolume, type Volume } from "./volume.ts";
