export { type Finding, type FsckOptions, fsck } from "./fsck.ts";
export { openStore, type Store, type StoreOptions, storeRoot } from "./open.ts";
export { type PruneOptions, type PruneResult, prune } from "./prune.ts";
export { type RemoveResult, removeImage } from "./remove.ts";
export { sweepLeftovers } from "./trash.ts";
export { type DiskUsage, diskUsage, type LayerUsageRow } from "./usage.ts";
