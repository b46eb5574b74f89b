import type { BytePath, CompressionAlgorithm, Descriptor, Digest } from "../core/index.ts";
import type {
  EntryType,
  LayerId,
  LayerRecord,
  LayerSource,
  LayerView,
  Rootfs,
  Snapshot,
} from "../snapshot/index.ts";

/** An entry as a writer takes it. What is left out is empty or 0. */
export interface NewEntry {
  readonly path: BytePath;
  readonly type: EntryType;
  /** 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds; may be negative. */
  readonly mtime: number;
  readonly linkname?: BytePath;
  readonly devMajor?: number;
  readonly devMinor?: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/**
 * Content of a regular file. With `fd` exactly `size` bytes are read from `position` (from the descriptor's own
 * position when it is left out); fewer are a `failed-precondition` error: the file changed. `shared` (as in `FileBytes`)
 * says that the descriptor stays what it is until `finish`: small pieces in a row are then read together. `sha256`
 * saves hashing when the caller knows it and the writer keeps digests.
 */
export type FileContent =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly sha256?: Uint8Array }
  | {
      readonly kind: "fd";
      readonly fd: number;
      readonly position?: number;
      readonly size: number;
      readonly shared?: true;
      readonly sha256?: Uint8Array;
    };

export interface LayerWriterOptions {
  /** The tar to write: a temporary file on the store's filesystem (`ContentStore.temporary()`). */
  readonly file: string;
  /** Where the index goes; defaults to `file` + `.index`. */
  readonly indexFile?: string;
  /** Whether each file's sha256 is computed on the way and kept in the index. */
  readonly digests?: boolean;
}

/** A finished layer in temporary files; plain data, so that a worker can send it. */
export interface PackedLayer {
  readonly file: string;
  readonly indexFile: string;
  readonly diffId: Digest;
  /** Size of the tar in bytes. */
  readonly size: number;
  readonly contentSize: number;
  readonly entryCount: number;
  readonly dependsOnLower: boolean;
  readonly opaqueRoot: boolean;
}

/**
 * Writes a layer as an uncompressed tar: reads each file once, writes once, hashes on the way, builds the index on the
 * way. Synchronous: use it in a worker for more than a few thousand entries. Entries appear in the tar in the order of
 * the calls (parents first; byte order by convention); of the same path twice the last wins. Parents that are not added are implied.
 */
export interface LayerWriter {
  /** `content` is required for files of a size other than 0 and forbidden for everything else. */
  add(entry: NewEntry, content?: FileContent): void;
  /** sha256 of the file that was added last; only with `digests`. */
  lastDigest(): Uint8Array;
  /** Hides `path` of the layers below. */
  whiteout(path: BytePath): void;
  /** Hides everything that the layers below have in the directory `path`. */
  opaque(path: BytePath): void;
  finish(): PackedLayer;
  /** Removes the temporary files. May be called after `finish`. */
  abort(): void;
}

export interface FromTarOptions {
  /** What the uncompressed tar must hash to. Taken from the content when left out (`import`). */
  readonly diffId?: Digest;
  /**
   * The layers that this one stands on. Needed for foreign images: an entry below a directory that is a symlink there
   * (`bin/tool` over `bin -> usr/bin`) then lands where the link points, as it does in containerd.
   */
  readonly below?: Snapshot;
  /** For the `import` of a root filesystem by someone who should not bring device nodes. */
  readonly refuseDevices?: boolean;
  readonly signal?: AbortSignal;
}

export interface FromDirectoryOptions {
  /** 0 when left out, for every entry. */
  readonly uid?: number;
  readonly gid?: number;
  /** Permission bits of every file. */
  readonly mode?: number;
  /** Seconds since the epoch for every entry; each one's own when it is left out. */
  readonly mtime?: number;
  /** Whether the directory itself is an entry, whose time a copy takes over. */
  readonly withRoot?: boolean;
  readonly signal?: AbortSignal;
}

/** Bytes on disk of each form that exists. */
export interface LayerUsage {
  readonly tar?: number;
  readonly directory?: number;
  readonly index?: number;
}

/** Layers under `layers/` of a store, and the conversions between their forms. */
export interface LayerStore {
  /** What is known of a layer; `undefined` when it is missing, or was not on disk before the machine went down. */
  record(id: LayerId): LayerRecord | undefined;
  /** How to open a layer in a worker. Builds the index when it is missing or damaged. */
  source(id: LayerId): Promise<LayerSource>;
  sources(snapshot: Snapshot): Promise<LayerSource[]>;
  view(id: LayerId): Promise<LayerView>;
  rootfs(snapshot: Snapshot): Promise<Rootfs>;
  /**
   * Directories in overlay format, base first, absolute: the lower layers of a mount. Unpacks what is a tar so far
   * (as root, or in a user namespace). Shorter than the stack when a layer hides everything below it, one directory for
   * all of it where layers cannot be mounted one over the other; empty for `scratch`.
   */
  directories(snapshot: Snapshot, signal?: AbortSignal): Promise<string[]>;
  /** The directory of one layer that stands on `below`. */
  directory(id: LayerId, below?: readonly LayerId[], signal?: AbortSignal): Promise<string>;
  /** Digest and size of the uncompressed tar, which is in the content store afterwards. */
  tar(id: LayerId, signal?: AbortSignal): Promise<{ diffId: Digest; size: number }>;
  /**
   * A layer from a blob of the content store: plain, gzip or zstd. The tar is checked against `diffId` and against
   * hostile entries before anything of it is visible; the same tar gives the layer that is there already.
   */
  fromTar(blob: Pick<Descriptor, "digest" | "size">, options?: FromTarOptions): Promise<LayerId>;
  /**
   * Takes over (renames away) a directory of this filesystem that a step wrote. `below` is what the step stood on: it tells
   * what changed, and whose it was, where overlayfs cannot.
   */
  adoptUpper(directory: string, signal?: AbortSignal, below?: Snapshot): Promise<LayerId>;
  /**
   * A layer from a directory that a program wrote for the caller, who keeps it. Modes are as under umask 022; owner and
   * times are what the options say.
   */
  fromDirectory(directory: string, options?: FromDirectoryOptions): Promise<LayerId>;
  /** Takes over the files of a finished writer. */
  adoptPacked(packed: PackedLayer): Promise<LayerId>;
  byDiffId(diffId: Digest): LayerId | undefined;
  /**
   * The compressed form for export and push; made once for each level (Docker's when it is left out), in workers, and
   * remembered beside the diffID. Without a level, a form that was pulled serves too.
   */
  compressed(
    diffId: Digest,
    algorithm: CompressionAlgorithm,
    signal?: AbortSignal,
    level?: number,
  ): Promise<Pick<Descriptor, "digest" | "size">>;
  /** Makes what this boot created survive a power failure (syncfs), then says so in the records. */
  sync(): Promise<void>;
  list(): Iterable<LayerRecord>;
  /** Renames a layer into `trash/`; its tar stays in the content store. */
  remove(id: LayerId): void;
  usage(id: LayerId): LayerUsage;
}
