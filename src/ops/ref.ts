import { BuildError } from "../core/index.ts";
import type { Snapshot } from "../snapshot/index.ts";
import type { LocalTree } from "../source/index.ts";

/** What an LLB vertex yields: a root filesystem in the store, or a directory of the host that was scanned. */
export type Ref =
  | { readonly kind: "snapshot"; readonly snapshot: Snapshot }
  | { readonly kind: "tree"; readonly tree: LocalTree };

/** The root filesystem in `ref`; throws `internal` when an op was given something else. */
export function snapshotOf(ref: Ref | undefined, op: string): Snapshot {
  if (ref?.kind === "snapshot") return ref.snapshot;
  throw new BuildError(
    "invalid-argument",
    `${op}: the input is ${ref === undefined ? "missing" : "a local directory"}, not a root filesystem`,
  );
}
