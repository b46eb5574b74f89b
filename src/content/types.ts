import type { Bytes, Descriptor, Digest } from "../core/index.ts";

/** A blob as it lies in the store. `size` is in bytes. */
export interface Blob {
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Content-addressed blobs in the directory layout of OCI images (`blobs/sha256/<hex>`). A blob becomes visible whole or
 * not at all. Several processes may use one store.
 */
export interface ContentStore {
  /** Root of the whole store. */
  readonly root: string;
  /** Where the blob is, or would be. */
  path(digest: Digest): string;
  stat(digest: Digest): { readonly size: number } | undefined;
  /** Streams a blob; throws `not-found`, and `data-loss` at its end when the content is not what its name says. */
  open(blob: Pick<Descriptor, "digest" | "size">, signal?: AbortSignal): Bytes;
  /** A small blob (a manifest, a configuration) in one piece, verified. Throws beyond `limit` bytes (4 MiB). */
  read(digest: Digest, limit?: number): Buffer;
  /**
   * Takes a stream in. With `expected`, a wrong digest or size is `data-loss` and leaves nothing behind. Without an
   * expected digest the content names itself. A blob that is there already is kept, but marked as just used.
   */
  ingest(
    data: Bytes,
    expected?: Partial<Pick<Descriptor, "digest" | "size">>,
    signal?: AbortSignal,
  ): Promise<Blob>;
  /** The same for bytes in memory. Writes nothing when the blob is there. */
  ingestBytes(bytes: Uint8Array, expected?: Partial<Pick<Descriptor, "digest" | "size">>): Promise<Blob>;
  /** A fresh path in `ingest/` for somebody who hashes while writing. Left-overs are swept an hour after their last write. */
  temporary(): string;
  /** Renames a finished temporary file into place; the caller vouches for digest and size. */
  adopt(file: string, blob: Blob): void;
  /** Makes every blob that this object took in since the last call survive a power failure. */
  sync(): Promise<void>;
  list(): Iterable<Digest>;
  /** Removes a blob; one that is not there is fine. */
  remove(digest: Digest): void;
}
