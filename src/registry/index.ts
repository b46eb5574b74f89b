export { openRegistry } from "./registry.ts";
export { discard, type HttpResponse, type Transport } from "./response.ts";
export { openTransport } from "./transport.ts";
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
