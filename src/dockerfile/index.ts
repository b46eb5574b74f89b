export * from "./advice/index.ts";
export * from "./fix/index.ts";
export * from "./instructions/index.ts";
export * from "./lint/index.ts";
export * from "./parser/index.ts";
export * from "./shell/index.ts";
export * from "./stages/index.ts";
export { didYouMean } from "./suggest.ts";
