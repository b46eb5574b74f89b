export type { RegistryHost, RegistryKeyPair, RegistrySettings } from "./registries.ts";
