export { openRegistry } from "./registry.ts";
export type {
  BlobProgress,
  FetchedManifest,
  ImageToPush,
  PushOptions,
  PushProgress,
  PushResult,
  Registry,
  RegistryClient,
  RegistryOptions,
  ResolvedImage,
  ResolveOptions,
  TransferOptions,
} from "./types.ts";
