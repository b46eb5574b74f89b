export type { Finding, FsckOptions } from "./fsck.ts";
export { openStore, type Store, type StoreOptions, storeRoot } from "./open.ts";
export type { PruneOptions, PruneResult } from "./prune.ts";
export type { RemoveResult } from "./remove.ts";
export type { DiskUsage, LayerUsageRow } from "./usage.ts";

// Housekeeping is loaded on demand: builds open the store, and need none of it.

export const fsck: typeof import("./fsck.ts").fsck = async function* (...call) {
  yield* (await import("./fsck.ts")).fsck(...call);
};

export const prune: typeof import("./prune.ts").prune = async (...call) =>
  (await import("./prune.ts")).prune(...call);

export const removeImage: typeof import("./remove.ts").removeImage = async (...call) =>
  (await import("./remove.ts")).removeImage(...call);

export const diskUsage: typeof import("./usage.ts").diskUsage = async (...call) =>
  (await import("./usage.ts")).diskUsage(...call);
