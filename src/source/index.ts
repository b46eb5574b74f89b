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
export type { DigestColumn, LocalSourceOptions, LocalTree } from "./local.ts";
export { digestAt, localSource } from "./local.ts";
export { hasWildcards, matchName } from "./local-match.ts";
export { childRows, joinHost, rowType, type TreeTable } from "./local-table.ts";
export { deviceAt, rowFinder, secondsAt } from "./local-view.ts";

/** Loaded on demand: no build needs it. */
export const bootstrap: typeof import("./bootstrap.ts").bootstrap = async (...call) =>
  (await import("./bootstrap.ts")).bootstrap(...call);
