import type { ContentStore } from "../content/index.ts";
import type { Digest } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { LayerId } from "../snapshot/index.ts";

/** Where remote sources keep what they fetch. */
export interface RemoteStores {
  /** Root of the store. */
  readonly root: string;
  readonly content: ContentStore;
  readonly layers: LayerStore;
  /** Begins the build's lease: what is fetched from then on stays until the build ends. */
  begin(): Promise<void>;
}

/** What a build lends while something is fetched. */
export interface RemoteWork {
  readonly signal: AbortSignal;
  /** Bytes of `total` (0: not known) so far. */
  progress(id: string, current: number, total: number, done: boolean): void;
  /** A line that a program printed. */
  log(text: string): void;
  /** A secret of the caller, when it lends one of that name. */
  secret(id: string): Promise<Buffer | undefined>;
  /** The socket of an ssh agent that the caller lends; `undefined` when it does not. */
  sshAgent(id: string): Promise<{ readonly socket: string; close(): void } | undefined>;
}

/** Something that lies elsewhere, and becomes a layer. */
export interface RemoteSource {
  /** Identity of the content: what steps that use it are keyed by. */
  key(work: RemoteWork): Promise<{
    readonly key: Digest;
    readonly ingredients: readonly { readonly name: string; readonly value: string }[];
  }>;
  layer(work: RemoteWork): Promise<LayerId>;
}
