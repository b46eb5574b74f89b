import type { BytePath, Digest } from "../core/index.ts";
import type { LayerView, Rootfs } from "../snapshot/index.ts";

/** Why a path of the directory is not part of the tree. */
export interface Exclusion {
  /** The pattern as written. */
  readonly pattern: string;
  /** Name of the file that the pattern is from (`.dockerignore`), and its line, from 1. */
  readonly file?: string;
  readonly line?: number;
}

/** A directory of the host as it was when it was scanned. Files are read from the host, on demand. */
export interface LocalTree {
  /** What the build calls it: `context`, `dockerfile`, or the name of a build context. */
  readonly name: string;
  /** Absolute path, without symlinks. */
  readonly root: string;
  readonly entryCount: number;
  /** The tree as one layer. Owners are 0:0, times whole seconds; there are no xattrs. */
  readonly view: LayerView;
  readonly rootfs: Rootfs;
  /** The exclude pattern that keeps `path` out of the tree, if one does. */
  excludedBy(path: BytePath): Exclusion | undefined;
  /** Digest of everything in it, as a selection of `/` has it: the key of the whole tree. */
  digest(signal?: AbortSignal): Promise<Digest>;
}
