export type * from "./parser/ast.ts";
export type * from "./instructions/types.ts";
export type * from "./shell/types.ts";
export type * from "./stages/types.ts";
export type { RuleName, Warning } from "./lint/rules.ts";
