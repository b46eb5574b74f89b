export { allCapabilities, defaultCapabilities } from "./capabilities.ts";
export { dockerfileToLlb, readDockerfile } from "./frontend.ts";
export { parseImageConfig } from "./image.ts";
export type * from "./image-config.ts";
export { imageConfigJson } from "./image-json.ts";
export { definitionSource, dockerignoreSource } from "./internal-sources.ts";
export { type BuildPlan, type PlannedStage, planDockerfile } from "./plan.ts";
export { isInternal } from "./step-name.ts";
export type * from "./types.ts";
