/**
 * The library: `import { build } from "stagewright"`.
 *
 * @packageDocumentation
 */
export {
  type BuildOptions,
  type BuildResult,
  build,
  type PlanOptions,
  type PricedAdvice,
  plan,
  type SizeReport,
  type StageReport,
} from "./build/index.ts";
export {
  BuildError,
  type BuildEvent,
  type ErrorCode,
  type ErrorDetails,
  type EventSink,
  type Platform,
} from "./core/index.ts";
export { type Annotation, type Output, parseAnnotation, parseOutput } from "./exporter/index.ts";
export type { BuildPlan, PlannedStage } from "./frontend/index.ts";
export type { SecretSource, SshSource } from "./session/index.ts";
