export type { RegistryKeyPair, RegistryHost, RegistrySettings } from "./registries.ts";
