export { defaultGlobalArgs } from "./global-args.ts";
export { readStages } from "./group.ts";
export { planStages } from "./plan.ts";
export { readTrigger } from "./triggers.ts";
export type * from "./types.ts";
