import type { Snapshot } from "../snapshot/index.ts";
import type { LocalTree } from "../source/index.ts";

/** What an LLB vertex yields: a root filesystem in the store, or a directory of the host that was scanned. */
export type Ref =
  | { readonly kind: "snapshot"; readonly snapshot: Snapshot }
  | { readonly kind: "tree"; readonly tree: LocalTree };
