export type { PricedAdvice } from "./advice.ts";
export { type BuildResult, build } from "./build.ts";
export {
  type CalledFile,
  type CallOptions,
  type CheckResult,
  checkBuild,
  dockerfileOf,
  hasNoEntrypoint,
  outlineBuild,
  targetsOfBuild,
} from "./call.ts";
export type { BuildOptions } from "./options.ts";
export { type PlanOptions, plan } from "./plan.ts";
export type { SizeReport, StageReport } from "./report.ts";
