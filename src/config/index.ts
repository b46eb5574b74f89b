export type { Credentials } from "./credentials.ts";
export {
  loadRegistrySettings,
  parseRegistrySettings,
  type RegistryHost,
  type RegistryKeyPair,
  type RegistrySettings,
} from "./registries.ts";

// Loaded on demand: most builds need no login.

export const findCredentials: typeof import("./credentials.ts").findCredentials = async (...call) =>
  (await import("./credentials.ts")).findCredentials(...call);

export const storeCredentials: typeof import("./credentials.ts").storeCredentials = async (...call) =>
  (await import("./credentials.ts")).storeCredentials(...call);

export const eraseCredentials: typeof import("./credentials.ts").eraseCredentials = async (...call) =>
  (await import("./credentials.ts")).eraseCredentials(...call);
