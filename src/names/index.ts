export { type Lease, type Leased, type LeaseItem, openLease, withLeases } from "./leases.ts";
export { type HeldLock, lock, tryLock } from "./locks.ts";
export { openNameStore } from "./store.ts";
export type { ImageRecord, NameStore, NewImageRecord } from "./types.ts";
