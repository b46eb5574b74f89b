export {
  loadRegistrySettings,
  parseRegistrySettings,
  type RegistryHost,
  type RegistryKeyPair,
  type RegistrySettings,
} from "./registries.ts";
