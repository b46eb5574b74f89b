import type { Descriptor, Digest, ImageConfig } from "../core/index.ts";

export type { ContainerConfig, Healthcheck, HistoryEntry, ImageConfig } from "../core/index.ts";

/** An image manifest, checked. */
export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image index or manifest list, checked. */
export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image of the store. Raw bytes are what the digests cover; the parsed forms are views of them. */
export interface Image {
  /** The index or manifest that was asked for. */
  readonly target: Descriptor;
  readonly manifestDescriptor: Descriptor;
  readonly manifest: Manifest;
  readonly rawManifest: Buffer;
  /** Image id. */
  readonly id: Digest;
  readonly config: ImageConfig;
  readonly rawConfig: Buffer;
}
