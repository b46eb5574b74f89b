export { readStages } from "./group.ts";
export { planStages } from "./plan.ts";
export type * from "./types.ts";
