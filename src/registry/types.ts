import type { Credentials, RegistrySettings } from "../config/index.ts";
import type { ContentStore } from "../content/index.ts";
import type { Bytes, Descriptor, Digest, Platform, Reference } from "../core/index.ts";

export interface RegistryOptions {
  /** Mirrors, plain HTTP, certificates by host; default what the user's settings file says. */
  readonly settings?: RegistrySettings;
  /** Where proxies (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`) and `NODE_EXTRA_CA_CERTS` are read; default `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
  /** The login for a registry host (`docker.io`, `localhost:5000`); default what Docker's config.json has. */
  readonly credentials?: (host: string) => Promise<Credentials | undefined>;
  /** How often a request that failed for a passing reason is sent in all; default 5. */
  readonly attempts?: number;
  /** First pause between attempts in milliseconds, doubled each time; default 500. */
  readonly retryDelay?: number;
  /** A request fails when nothing arrives for so many milliseconds; default 60,000. */
  readonly idleTimeout?: number;
}

/** Progress of one blob; `id` is its digest. `current` and `total` are bytes. */
export interface BlobProgress {
  readonly id: string;
  readonly current: number;
  readonly total: number;
}

export interface TransferOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BlobProgress) => void;
}

export interface ResolveOptions {
  /** Which image of an index; default the platform of this machine. */
  readonly platform?: Platform;
  readonly signal?: AbortSignal;
  /**
   * Where manifests and configurations that are known already are read, and those that are fetched are kept: then an
   * image that has not moved costs one HEAD request. The caller holds a lease.
   */
  readonly content?: ContentStore;
}

/** A manifest or index as the registry sent it. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** One image in a registry, down to its configuration. Its layers are only described. */
export interface ResolvedImage {
  readonly reference: Reference;
  /** What the reference names: an index, or a manifest. Its digest is the identity that LLB uses. */
  readonly target: Descriptor;
  /** Indexes on the way to the manifest, outermost first; empty when the reference names a manifest. */
  readonly indexes: readonly FetchedManifest[];
  readonly manifest: FetchedManifest;
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Buffer };
  /** Platform that the configuration names; it may differ from what was asked for when there is no index. */
  readonly platform: Platform;
  readonly layers: readonly Descriptor[];
}

/** A client of the distribution API. Connections are kept alive until `close`. */
export interface Registry {
  /**
   * Finds an image and reads its manifest and configuration.
   * Throws `not-found`, `unauthenticated`, `permission-denied`, `unavailable`, or `data-loss` when the registry lies.
   */
  resolve(reference: Reference, options?: ResolveOptions): Promise<ResolvedImage>;
  /**
   * Streams one blob of the reference's repository, continuing a broken transfer where it stopped. Exactly `size` bytes
   * come, or an error; the digest is for the reader to check (`ContentStore.ingest` does).
   */
  blob(reference: Reference, blob: Pick<Descriptor, "digest" | "size">, options?: TransferOptions): Bytes;
  /**
   * Brings everything of a resolved image into the content store, several blobs at once; what is there stays.
   * Blobs are verified; nothing else becomes visible. The caller names the image, and holds a lease until then.
   */
  pull(image: ResolvedImage, content: ContentStore, options?: TransferOptions): Promise<void>;
  /** Closes idle connections. */
  close(): void;
}

/** What became of a blob in a push. */
export type PushState = "uploading" | "pushed" | "exists" | "mounted";

/** Progress of one blob of a push. When `state` is not `uploading`, it is through. */
export interface PushProgress extends BlobProgress {
  readonly state: PushState;
}

/** An image, or an index of several, whose blobs are all in the content store. */
export interface ImageToPush {
  /** What the name shall mean. */
  readonly target: FetchedManifest;
  /** Manifests that the target, being an index, names; they go before it. */
  readonly manifests: readonly FetchedManifest[];
  /** Configurations and layers, each once. */
  readonly blobs: readonly Pick<Descriptor, "digest" | "size">[];
}

export interface PushOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PushProgress) => void;
  /** Another repository of the same registry that may have a blob: then the registry is asked to take it from there. */
  readonly mountFrom?: (digest: Digest) => string | undefined;
}

export interface PushResult {
  /** What the name means at the registry now. */
  readonly target: Descriptor;
  /** How many blobs were sent; zero when the registry had all. */
  readonly uploaded: number;
}

/** A client that writes, too. */
export interface RegistryClient extends Registry {
  /**
   * Brings an image to the reference's registry: first the blobs that it lacks, four at once, then the manifests, what
   * the name means last. A transfer that breaks off goes on where it stopped, or begins anew where the registry
   * cannot. Mirrors are left out. Throws like `resolve`.
   */
  push(
    reference: Reference,
    image: ImageToPush,
    content: ContentStore,
    options?: PushOptions,
  ): Promise<PushResult>;
  /** Shows a login to the registry; throws `unauthenticated` when it is not taken. */
  checkLogin(domain: string, credentials: Credentials, signal?: AbortSignal): Promise<void>;
}
