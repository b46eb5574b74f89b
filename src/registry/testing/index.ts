export { type HostileRegistry, type Reply, startHostileRegistry } from "./hostile-registry.ts";
export { type Login, type RegistryProcess, startRegistry } from "./registry-process.ts";
export { type RegistryProxy, startRegistryProxy } from "./registry-proxy.ts";
