export { allCapabilities, defaultCapabilities } from "./capabilities.ts";
export { dockerfileToLlb, readDockerfile } from "./frontend.ts";
export type * from "./image-config.ts";
export { type BuildPlan, type PlannedStage, planDockerfile } from "./plan.ts";
export type * from "./types.ts";
