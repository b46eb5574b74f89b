export { dockerfileToLlb } from "./frontend.ts";
export type * from "./image-config.ts";
export { type LintResult, lintDockerfile } from "./lint.ts";
export {
  type LineLocation,
  linesOf,
  listTargets,
  type Outline,
  outlineDockerfile,
  type TargetList,
} from "./outline.ts";
export { type BuildPlan, type PlannedStage, planDockerfile } from "./plan.ts";
export { readDockerfile } from "./read.ts";
export type * from "./types.ts";
