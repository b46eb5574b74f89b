export { createMemoryKeyStore } from "./memory-key-store.ts";
export { createSlots, type Slots } from "./slots.ts";
export { createSolver, type Solved, type Solver, type SolverOptions } from "./solver.ts";
export type * from "./types.ts";
