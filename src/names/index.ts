export { type Lease, type LeaseItem, openLease, withLeases } from "./leases.ts";
export { type HeldLock, lock, tryLock } from "./locks.ts";
