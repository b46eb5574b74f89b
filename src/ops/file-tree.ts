import { BuildError, type BytePath, joinPath, nameOf, parentOf, textOf } from "../core/index.ts";
import type { FoundEntry, LayerView, Rootfs } from "../snapshot/index.ts";

export type NodeType = "file" | "directory" | "symlink" | "char" | "block" | "fifo";

/** Where a file's bytes come from. */
export type Content =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "layer"; readonly view: LayerView; readonly path: BytePath }
  /** Part of a file of the host: an entry of an archive. */
  | { readonly kind: "range"; readonly file: BytePath; readonly position: number }
  | HostFile;

/** A file of a scanned directory, with what the scan saw, so that a change in the meantime is noticed. */
export interface HostFile {
  readonly kind: "host";
  /** Absolute path on the host. */
  readonly path: BytePath;
  /** Row of the scan. */
  readonly row: number;
  readonly size: number;
  /** Milliseconds. */
  readonly mtime: number;
  readonly ctime: number;
  /** sha256 when it is known already. */
  readonly sha256: Uint8Array | undefined;
}

/** What a name of a filesystem stands for. Immutable; names that share a node's `inode` are hard links. */
export interface Node {
  readonly type: NodeType;
  /** 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; 0 for everything but files. */
  readonly size: number;
  /** Whole seconds. */
  readonly mtime: number;
  /** Target of a symlink. */
  readonly link?: BytePath | undefined;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined;
  /** Files only. */
  readonly content?: Content | undefined;
  /** Same for all names of one file inside one tree; files only, absent where a file has one name for sure. */
  readonly inode?: string | undefined;
}

/** A filesystem to look things up in: an input of the op, or what earlier actions made. */
export interface Tree {
  /** The node at exactly this path; symlinks are not followed. `""` is always a directory. */
  lookup(path: BytePath): Node | undefined;
  /** What a directory holds, in byte order of names; nothing for what is no directory. */
  list(path: BytePath): readonly Named[];
}

export interface Named {
  readonly name: BytePath;
  readonly node: Node;
}

/**
 * Time, in seconds, of what has no source to take one from: directories and files that the build itself makes. A constant
 * (1980-01-02), because "now" would make equal builds differ, and 0 trips tools such as zip that cannot go back
 * before 1980 in any time zone.
 */
export const unspecifiedTime = 315_619_200;

/** The root of a tree that says nothing about it. */
export const rootNode: Node = {
  type: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: unspecifiedTime,
  devMajor: 0,
  devMinor: 0,
};

export const emptyTree: Tree = {
  lookup: (path) => (path === "" ? rootNode : undefined),
  list: () => [],
};

/** A stack of layers as a tree. */
export function treeOfRootfs(rootfs: Rootfs): Tree {
  return {
    lookup(path) {
      const entry = rootfs.lookup(path);
      if (entry) return nodeOf(rootfs, entry);
      return path === "" ? rootNode : undefined;
    },
    list: (path) =>
      rootfs.children(path).map((entry) => ({ name: nameOf(entry.path), node: nodeOf(rootfs, entry) })),
  };
}

function nodeOf(rootfs: Rootfs, entry: FoundEntry): Node {
  const file = rootfs.inode(entry);
  const type = file.type as NodeType;
  if (type !== "file") return { ...metadataOf(file), type, link: file.linkname };
  return {
    ...metadataOf(file),
    type,
    size: file.size,
    content: { kind: "layer", view: file.layer, path: file.path },
    inode: `${file.layer.id}:${file.path}`,
  };
}

function metadataOf(entry: FoundEntry) {
  const { mode, uid, gid, mtime, devMajor, devMinor, xattrs } = entry;
  return { mode, uid, gid, size: 0, mtime, devMajor, devMinor, xattrs };
}

/** A path as the user wrote it, relative to the root: `.`, `..` and slashes resolved by their letters. */
export function cleanPath(path: BytePath): BytePath {
  const parts: BytePath[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}

/** With a leading slash, as messages show it. */
export function shown(path: BytePath): string {
  return `/${textOf(path)}`;
}

/** As many as containerd's path resolution follows. */
const maxLinks = 255;

/** Of a path that leads through a symlink back to itself. */
export function tooManyLinks(path: BytePath): BuildError {
  return new BuildError("failed-precondition", `${shown(cleanPath(path))}: too many links`, {
    hint: "a symlink in this path points back to itself",
  });
}

/** The path that an error of `tooManyLinks` is of; undefined for other errors. */
export function loopIn({ message }: BuildError): string | undefined {
  return /^(.*): too many links$/s.exec(message)?.[1];
}

/**
 * Follows symlinks in every component, inside the directory `root` of the tree (a link to `/x` or `../../x` never leaves it).
 * Components that do not exist stay as they are. `path` and the result are relative to the tree.
 */
export function resolvePath(
  tree: Tree,
  path: BytePath,
  options: { readonly last: "follow" | "keep"; readonly root?: BytePath },
): BytePath {
  const root = options.root ?? "";
  let pending = cleanPath(path).split("/");
  let current = "";
  for (let links = 0; pending.length > 0; ) {
    const part = pending.shift()!;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      current = parentOf(current);
      continue;
    }
    const next = joinPath(current, part);
    const keep = pending.length === 0 && options.last === "keep";
    const node = keep ? undefined : tree.lookup(joinPath(root, next));
    if (node?.type !== "symlink") {
      current = next;
      continue;
    }
    if (++links > maxLinks) throw tooManyLinks(path);
    const target = node.link ?? "";
    if (target.startsWith("/")) current = "";
    pending = [...target.split("/"), ...pending];
  }
  return joinPath(root, current);
}
