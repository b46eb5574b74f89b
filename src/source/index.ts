export type { Exclusion, LocalTree } from "./local.ts";
