export { type HostileRegistry, type Reply, startHostileRegistry } from "./hostile-registry.ts";
export { type RegistryProcess, startRegistry } from "./registry-process.ts";
