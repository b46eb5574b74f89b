import type { CommittedImage } from "../commit.ts";
import type { ExportStores } from "../destination.ts";

export interface LoadOptions {
  readonly signal?: AbortSignal;
  /** Called with the bytes that have been sent so far. */
  readonly onProgress?: (sent: number) => void;
}

/** What became of an image in an engine. */
export interface Loaded {
  /** What the engine calls it. */
  readonly id: string;
  /** False: the engine had it already. */
  readonly sent: boolean;
}

/** A container engine of this machine, with images of its own. */
export interface LocalEngine {
  /** For messages: `Docker at unix:///var/run/docker.sock`. */
  readonly name: string;
  /** Whether an index stays one there; else an image for one platform is all it takes. */
  readonly storesIndexes: boolean;
  /** Brings an image there, under its names. Throws what the engine says. */
  load(
    image: CommittedImage,
    names: readonly string[],
    stores: ExportStores,
    options: LoadOptions,
  ): Promise<Loaded>;
}
