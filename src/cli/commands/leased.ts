import { openLease } from "../../names/index.ts";
import type { Store } from "../../store/index.ts";
import { interruption } from "../interruption.ts";

/** Does what makes or reads images of a store: under a lease, so that no collection comes in between, and until Ctrl-C. */
export async function leased(store: Store, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = interruption();
  const lease = openLease(store.root);
  try {
    await lease.begin();
    await work(stop.signal);
  } finally {
    lease.release();
    stop.end();
  }
}
