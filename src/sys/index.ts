export * from "./flock.ts";
export { libc, systemError } from "./libc.ts";
