export { openRegistry } from "./registry.ts";
export type {
  BlobProgress,
  FetchedManifest,
  Registry,
  RegistryOptions,
  ResolvedImage,
  ResolveOptions,
  TransferOptions,
} from "./types.ts";
