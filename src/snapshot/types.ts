import type { BytePath, Digest } from "../core/index.ts";

/** Names a layer in the store: 32 hex digits, random; never a content address. */
export type LayerId = string;

/** How a stack of layers stands: base first. The empty stack is `scratch`. */
export interface Snapshot {
  readonly layers: readonly LayerId[];
}

export type EntryType = "file" | "directory" | "symlink" | "hardlink" | "char" | "block" | "fifo";

/** Metadata of one path in a layer. Sizes in bytes, times in whole seconds as they are packed. */
export interface LayerEntry {
  readonly path: BytePath;
  readonly type: EntryType;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** 0 for everything but files. */
  readonly size: number;
  readonly mtime: number;
  /** Target of a symlink (as written) or of a hardlink (path inside the root filesystem); else empty. */
  readonly linkname: BytePath;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Only what layers carry: `security.capability` and what a foreign tar brought. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /**
   * A directory that the layer does not carry itself: something below it does. Its metadata comes from the layers
   * below; when they do not have it either, it is root's, 0755, of time 0.
   */
  readonly implied?: true;
}

/** Where the bytes of a file lie. `close` gives the descriptor back; it must be called once. */
export interface FileBytes {
  readonly fd: number;
  readonly position: number;
  readonly size: number;
  /** The descriptor is of a tar that many files share, and that stays open as long as the view. */
  readonly shared?: true;
  close(): void;
}

/** How to open a layer read-only: plain data, so that it can be sent to a worker. Paths on the host are absolute. */
export interface LayerSource {
  readonly id: LayerId;
  /** Binary index. */
  readonly index: string;
  /** Memoised digests of files, beside the index. */
  readonly digests?: string;
  readonly content: { readonly kind: "tar" | "directory"; readonly path: string };
}

/**
 * One layer, read-only, whatever form it has on disk. Whiteouts are not entries: `whiteouts` says what this layer hides
 * of the layers below. Entries are in byte order of their paths.
 */
export interface LayerView {
  readonly id: LayerId;
  /** Set when there is neither a whiteout nor an opaque directory: lookups are cheaper then. */
  readonly hidesNothing?: true;
  lookup(path: BytePath): LayerEntry | undefined;
  /** Whether this layer deletes `path` itself (a whiteout of exactly that path). */
  isWhiteout(path: BytePath): boolean;
  /** Whether this layer hides everything that lower layers have below the directory `path`. */
  isOpaque(path: BytePath): boolean;
  /** Direct children of a directory, in byte order. */
  children(path: BytePath): Iterable<LayerEntry>;
  /** Every entry whose path is `path` or below it, in byte order. `""` is everything. */
  entries(path: BytePath): Iterable<LayerEntry>;
  /** Paths that this layer deletes, at or below `path`, in byte order. */
  whiteouts(path: BytePath): Iterable<BytePath>;
  /** Bytes of a file, read synchronously in one piece; for small files (passwd). Throws beyond 16 MiB. */
  read(path: BytePath): Buffer;
  /** Opens a file's bytes; a hardlink to a file of this layer is followed. Throws `not-found` for anything else. */
  open(path: BytePath): FileBytes;
  /** sha256 (32 bytes) of a file's content: from the index, from the memo, or computed by reading the file now. */
  fileDigest(path: BytePath): Uint8Array;
  /** Writes the digests that `fileDigest` computed beside the index, for the next process. */
  saveDigests(): void;
  /** Closes what is open. Views that are dropped without it are closed by the garbage collector. */
  close(): void;
}

/** An entry found through the stack, with the layer that has it. */
export interface FoundEntry extends LayerEntry {
  readonly layer: LayerView;
}

/** A stack of layers seen as one filesystem, by index alone: no mount, no unpacking. */
export interface Rootfs {
  /** Base first. */
  readonly layers: readonly LayerView[];
  /** The entry at exactly `path`; symlinks are not followed, in no component. */
  lookup(path: BytePath): FoundEntry | undefined;
  /**
   * The entry that has the content of `entry`: for a hardlink the file that it names, as it was when its layer was
   * made; anything else is returned as it is. Throws `data-loss` when the stack does not have the target.
   */
  inode(entry: FoundEntry): FoundEntry;
  /** sha256 of the content of a file or hardlink. */
  fileDigest(entry: FoundEntry): Uint8Array;
  /** Follows symlinks in every component (the last one too unless `nofollow`), inside the root. Throws on a loop. */
  resolve(
    path: BytePath,
    options?: { nofollow?: boolean },
  ): { path: BytePath; entry: FoundEntry | undefined };
  children(path: BytePath): readonly FoundEntry[];
  /** `path` itself, then depth-first, each directory before its children, in byte order of names. */
  walk(path: BytePath): Iterable<FoundEntry>;
  read(path: BytePath): Buffer;
}

/** What the store keeps of a layer. */
export interface LayerRecord {
  readonly id: LayerId;
  /** The authoritative form: a tar in the content store, or a directory as overlayfs wrote it. */
  readonly origin: "tar" | "directory";
  /** Digest and size in bytes of the uncompressed tar, once it is known. */
  readonly diffId?: Digest;
  readonly tarSize?: number;
  /** Whether it hides everything below it: lower layers of a mount start here. */
  readonly opaqueRoot?: true;
  /**
   * Set when the directory form borrows from the layers below: metadata of implied directories, targets of hardlinks.
   * Such a layer has a directory for each kind of base that it stands on.
   */
  readonly dependsOnLower?: true;
  /** Sum of the sizes of the regular files. */
  readonly contentSize: number;
  readonly entryCount: number;
  /** Milliseconds since the epoch. */
  readonly created: number;
}
