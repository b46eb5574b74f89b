import type { RemoteSource } from "./remote.ts";

export type { BlobProgress } from "../registry/index.ts";
export type { BootstrapOptions, BootstrappedImage } from "./bootstrap.ts";
export {
  type DockerImage,
  type DockerImageOptions,
  type DockerImageStores,
  type PulledImage,
  pullImage,
  resolveDockerImage,
} from "./docker-image.ts";
export type { GitRepository } from "./git/repository.ts";
export type { HttpFile } from "./http/source.ts";
export type { DigestColumn, LocalSourceOptions, LocalTree } from "./local.ts";
export { digestAt, localSource } from "./local.ts";
export type { SelectionDigest } from "./local-kept.ts";
export { hasWildcards, matchName } from "./local-match.ts";
export { childRows, joinHost, rowType, type TreeTable } from "./local-table.ts";
export { deviceAt, rowFinder, secondsAt } from "./local-view.ts";

export type { RemoteSource, RemoteStores, RemoteWork } from "./remote.ts";

/** Loaded on demand: few builds need them. */
export const openLentImage: typeof import("./lent-image.ts").openLentImage = async (...call) =>
  (await import("./lent-image.ts")).openLentImage(...call);
export const httpSource = async (
  ...call: Parameters<typeof import("./http/source.ts").httpSource>
): Promise<RemoteSource> => (await import("./http/source.ts")).httpSource(...call);
export const gitSource = async (
  ...call: Parameters<typeof import("./git/source.ts").gitSource>
): Promise<RemoteSource> => (await import("./git/source.ts")).gitSource(...call);

/** Loaded on demand: no build needs it. */
export const bootstrap: typeof import("./bootstrap.ts").bootstrap = async (...call) =>
  (await import("./bootstrap.ts")).bootstrap(...call);
