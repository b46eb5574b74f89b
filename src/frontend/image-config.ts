import type { ImageConfig as AnyImageConfig, ContainerConfig, HistoryEntry } from "../core/index.ts";

export type { ContainerConfig, Healthcheck, HistoryEntry } from "../core/index.ts";

/** An image's configuration while it is being made: everything that a build sets is there, if only empty. */
export interface ImageConfig extends Omit<AnyImageConfig, "config" | "rootfs" | "history"> {
  readonly config: ContainerConfig;
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly string[] };
  readonly history: readonly HistoryEntry[];
}
