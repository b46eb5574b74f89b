import { openRegistry, type RegistryClient } from "../../registry/index.ts";
import type { Store } from "../../store/index.ts";
import { stderrTerminal } from "../progress/index.ts";
import { type TransferDisplay, transferDisplay } from "../transfers.ts";
import { leased } from "./leased.ts";

export interface Transfer {
  readonly registry: RegistryClient;
  readonly display: TransferDisplay;
  readonly signal: AbortSignal;
}

/** Does what moves images between a store and registries, and shows it; `leased` besides. */
export async function transferring(store: Store, work: (transfer: Transfer) => Promise<void>): Promise<void> {
  const registry = openRegistry();
  const display = transferDisplay(stderrTerminal());
  try {
    await leased(store, (signal) => work({ registry, display, signal }));
  } finally {
    display.end();
    registry.close();
  }
}
