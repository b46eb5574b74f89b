export { type Lease, type Leased, type LeaseItem, openLease, withLeases } from "./leases.ts";
export { type HeldLock, lock, tryLock } from "./locks.ts";
