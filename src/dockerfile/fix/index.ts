export { type Finding, type FixedDockerfile, fixDockerfile } from "./fix.ts";
export type { Fix, FixContext } from "./types.ts";
