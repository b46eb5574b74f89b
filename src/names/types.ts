import type { Descriptor, Digest } from "../core/index.ts";

/** An image in the store under one of its names, or under none (`<none>:<none>`). */
export interface ImageRecord {
  /** Normalised with its tag: `docker.io/library/debian:latest`. Absent: an image that lost its last name. */
  readonly name?: string;
  /** What the name means: an index or a manifest, as the registry or archive had it. */
  readonly target: Descriptor;
  /** The manifest in use; the target itself unless that is an index. */
  readonly manifest: Descriptor;
  /** Image id: the digest of the configuration. */
  readonly id: Digest;
  /** What the registry of this name has since it was pushed there: another manifest, for layers are compressed for it. */
  readonly pushed?: Digest;
  /** When the name was given to it, in milliseconds since the epoch. */
  readonly created: number;
}

export type NewImageRecord = Pick<ImageRecord, "target" | "manifest" | "id">;

/** Image names of the store. One small file each, replaced atomically. */
export interface NameStore {
  /** By name, in order; images without a name come last. */
  list(): readonly ImageRecord[];
  /** By a name in any spelling that Docker takes (`debian`, `debian:12`, `localhost:5000/a/b`). */
  get(name: string): ImageRecord | undefined;
  /** Every record that `text` may mean: a name, an id or the beginning of one, a digest, `name@digest`. */
  find(text: string): readonly ImageRecord[];
  /** The one image that `text` means. Throws `not-found` with what is near, `invalid-argument` when several fit. */
  resolve(text: string): ImageRecord;
  /**
   * Names an image. Without a name it is kept as untagged. The image that had the name so far stays as untagged
   * unless it has another one. Writes nothing when the name means this image already.
   */
  set(name: string | undefined, image: NewImageRecord): Promise<ImageRecord>;
  /** Keeps with a name, if it still means `target`, under which digest the image was pushed by it. */
  setPushed(name: string, target: Digest, pushed: Digest): Promise<void>;
  /** Takes a name (or, with a digest, an untagged image) away; false when there was none. */
  remove(record: Pick<ImageRecord, "name" | "target">): Promise<boolean>;
  /** Files under `names/` that are no records. */
  damaged(): Iterable<string>;
}
