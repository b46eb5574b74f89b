export { createSolver } from "./solver.ts";
export type * from "./types.ts";
