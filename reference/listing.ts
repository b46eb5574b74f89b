import { createHash } from "node:crypto";
import type { TarEntry, TarType } from "./tar.ts";

/** One path of a root filesystem, as a plain fact that can be written down and compared. */
export interface ListingEntry {
  /** A string of bytes (latin1), without leading slash. */
  readonly path: string;
  readonly type: Exclude<TarType, "hardlink">;
  /** Octal, with setuid, setgid and sticky: `"4755"`. */
  readonly mode: string;
  /** `uid:gid`. */
  readonly owner: string;
  readonly size?: number;
  /** Hex digest of a file's content. */
  readonly sha256?: string;
  /** Target of a symlink. */
  readonly target?: string;
  /** `major:minor`. */
  readonly device?: string;
  /** Values in hex. */
  readonly xattrs?: Readonly<Record<string, string>>;
  /** First path, in byte order, of the same inode; absent on that path itself. */
  readonly linkOf?: string;
  /** Whole seconds; absent when the time is that of the build itself. */
  readonly mtime?: number;
}

type Node = Omit<TarEntry, "path" | "linkname" | "type"> & { type: ListingEntry["type"]; target: string };

const whiteout = ".wh.";
const opaque = ".wh..wh..opq";

/**
 * Applies layers (base first) over each other, by the rules of the OCI image specification, and lists what is there
 * in byte order. Times from `builtSince` (seconds) on are left out.
 */
export function listRootfs(layers: readonly (readonly TarEntry[])[], builtSince: number): ListingEntry[] {
  const tree = new Map<string, Node>();
  for (const layer of layers) applyLayer(tree, layer);
  return list(tree, builtSince);
}

function applyLayer(tree: Map<string, Node>, layer: readonly TarEntry[]): void {
  // A whiteout speaks of the layers below, wherever in the archive it stands.
  for (const { path } of layer) {
    const { parent, name } = split(path);
    if (name === opaque) removeBelow(tree, parent);
    else if (name.startsWith(whiteout)) removeAll(tree, join(parent, name.slice(whiteout.length)));
  }
  for (const entry of layer) {
    if (split(entry.path).name.startsWith(whiteout)) continue;
    if (entry.type === "hardlink") {
      const node = tree.get(entry.linkname.replace(/^\.?\//, ""));
      if (node === undefined)
        throw new Error(`hardlink ${entry.path} to ${entry.linkname}, which is not there`);
      tree.set(entry.path, node);
      continue;
    }
    const before = tree.get(entry.path);
    if (before?.type === "directory" && entry.type !== "directory") removeBelow(tree, entry.path);
    const { path, linkname, type, ...rest } = entry;
    tree.set(path, { ...rest, type, target: linkname });
  }
}

function removeBelow(tree: Map<string, Node>, path: string): void {
  const prefix = path === "" ? "" : `${path}/`;
  for (const other of tree.keys()) if (other.startsWith(prefix) && other !== path) tree.delete(other);
}

function removeAll(tree: Map<string, Node>, path: string): void {
  removeBelow(tree, path);
  tree.delete(path);
}

function list(tree: ReadonlyMap<string, Node>, builtSince: number): ListingEntry[] {
  const firstPath = new Map<Node, string>();
  return [...tree.keys()]
    .filter((path) => path !== "")
    .sort(byteOrder)
    .map((path) => {
      const node = tree.get(path)!;
      const linkOf = firstPath.get(node);
      if (linkOf === undefined) firstPath.set(node, path);
      return describe(path, node, linkOf, builtSince);
    });
}

function describe(path: string, node: Node, linkOf: string | undefined, builtSince: number): ListingEntry {
  const xattrs = Object.entries(node.xattrs).map(([name, value]) => [name, value.toString("hex")] as const);
  return {
    path,
    type: node.type,
    mode: node.mode.toString(8).padStart(4, "0"),
    owner: `${node.uid}:${node.gid}`,
    ...(node.type === "file" && {
      size: node.data.length,
      sha256: createHash("sha256").update(node.data).digest("hex"),
    }),
    ...(node.type === "symlink" && { target: node.target }),
    ...(node.device !== "" && { device: node.device }),
    ...(xattrs.length > 0 && { xattrs: Object.fromEntries(xattrs) }),
    ...(linkOf !== undefined && { linkOf }),
    ...(node.mtime < builtSince && { mtime: node.mtime }),
  };
}

export interface ListingDifference {
  readonly path: string;
  readonly expected?: ListingEntry;
  readonly actual?: ListingEntry;
  /** Properties that differ, when the path is on both sides. */
  readonly properties: readonly string[];
}

/** What two listings disagree about, in byte order of the paths. Empty when they are the same. */
export function compareListing(
  expected: readonly ListingEntry[],
  actual: readonly ListingEntry[],
): ListingDifference[] {
  const left = new Map(expected.map((entry) => [entry.path, entry]));
  const right = new Map(actual.map((entry) => [entry.path, entry]));
  const paths = [...new Set([...left.keys(), ...right.keys()])].sort(byteOrder);
  return paths.flatMap((path): ListingDifference[] => {
    const [a, b] = [left.get(path), right.get(path)];
    if (a === undefined) return [{ path, actual: b!, properties: [] }];
    if (b === undefined) return [{ path, expected: a, properties: [] }];
    const properties = differingProperties(a, b);
    return properties.length === 0 ? [] : [{ path, expected: a, actual: b, properties }];
  });
}

function differingProperties(a: ListingEntry, b: ListingEntry): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof ListingEntry>;
  // Without an expected time, it was that of the build: any will do.
  if (a.mtime === undefined) names.delete("mtime");
  return [...names].filter((name) => canonical(a[name]) !== canonical(b[name]));
}

function canonical(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return JSON.stringify(Object.entries(value).sort(([a], [b]) => byteOrder(a, b)));
}

/** Applies a listing's recorded form, changes over a base, to the base's own listing. */
export function withChanges(
  base: readonly ListingEntry[],
  changes: { readonly changed: readonly ListingEntry[]; readonly removed: readonly string[] },
): ListingEntry[] {
  const tree = new Map(base.map((entry) => [entry.path, entry]));
  for (const path of changes.removed) tree.delete(path);
  for (const entry of changes.changed) tree.set(entry.path, entry);
  return [...tree.values()].sort((a, b) => byteOrder(a.path, b.path));
}

/** The short form of a listing: what differs from the base's. */
export function changesFrom(
  base: readonly ListingEntry[],
  listing: readonly ListingEntry[],
): { changed: ListingEntry[]; removed: string[] } {
  const differences = compareListing(base, listing);
  return {
    changed: differences.flatMap(({ actual }) => (actual === undefined ? [] : [actual])),
    removed: differences.flatMap(({ path, actual }) => (actual === undefined ? [path] : [])),
  };
}

function split(path: string): { parent: string; name: string } {
  const slash = path.lastIndexOf("/");
  return { parent: slash < 0 ? "" : path.slice(0, slash), name: path.slice(slash + 1) };
}

function join(parent: string, name: string): string {
  return parent === "" ? name : `${parent}/${name}`;
}

function byteOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
