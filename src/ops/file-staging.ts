import { type BytePath, joinPath, nameOf, parentOf } from "../core/index.ts";
import type { Named, Node, Tree } from "./file-tree.ts";

/**
 * What was found in the lower tree wherever an action looked: type or link target of a path, names in a directory (under
 * the path and a slash), metadata of a directory (under the path, a slash and a dot). A tree with the same answers gives
 * the same changes.
 */
export type Visits = ReadonlyMap<BytePath, string>;

function found(node: Node | undefined): string {
  if (node === undefined) return "-";
  if (node.type === "symlink") return `symlink ${node.link}`;
  // What is put below a directory can inherit these two; what replaces it cannot.
  return node.type === "directory" && node.mode & 0o2000 ? `setgid ${node.gid}` : node.type;
}

function listed(entries: readonly Named[]): string {
  return entries.map(({ name }) => name).join("/");
}

function metadata(node: Node | undefined): string {
  if (node?.type !== "directory") return "-";
  const xattrs = [...(node.xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value).toString("hex")]);
  return JSON.stringify([node.mode, node.uid, node.gid, xattrs]);
}

/** Whether a tree gives the answers that these visits had. */
export function answersAlike(lower: Tree, visits: Iterable<readonly [BytePath, string]>): boolean {
  for (const [path, fact] of visits) {
    if (answerTo(lower, path) !== fact) return false;
  }
  return true;
}

function answerTo(lower: Tree, path: BytePath): string {
  if (path.endsWith("/.")) return metadata(lower.lookup(path.slice(0, -2)));
  return path.endsWith("/") ? listed(lower.list(path.slice(0, -1))) : found(lower.lookup(path));
}

/**
 * A filesystem with changes in memory over a tree that is only read: what a mount and real file operations would give,
 * without either. What was changed becomes a layer.
 */
export interface Staging extends Tree {
  /** Creates or replaces a name. Over a directory, a directory keeps what is below; anything else hides it. */
  put(path: BytePath, node: Node): void;
  /** Gives the directory that is `existing` another time, in whole seconds. The root's own metadata is in no layer. */
  retime(path: BytePath, existing: Node, mtime: number): void;
  /** Removes a name with everything below it. */
  remove(path: BytePath): void;
  /** Whether the name was put here, rather than found in the lower tree. */
  isStaged(path: BytePath): boolean;
  /** What became of the lower tree, in byte order of paths. */
  changes(): Iterable<Change>;
  /** Complete once `changes` has been read. */
  readonly visits: Visits;
  /** Says that the result has content of the lower tree, so that it belongs to this one alone. */
  pin(): void;
  readonly pinned: boolean;
  /** An independent copy, for an action result that several actions use. */
  fork(): Staging;
}

export type Change =
  | { readonly kind: "add"; readonly path: BytePath; readonly node: Node; readonly opaque: boolean }
  | { readonly kind: "delete"; readonly path: BytePath };

interface State {
  readonly lower: Tree;
  /** `null` is a removed name. */
  readonly staged: Map<BytePath, Node | null>;
  /** Names that were put, by directory. */
  readonly kids: Map<BytePath, Set<BytePath>>;
  /** Names at and below which the lower tree is not visible. */
  readonly fresh: Set<BytePath>;
  readonly visits: Map<BytePath, string>;
  pinned: boolean;
}

/** Starts changes over a tree, which stays as it is. */
export function stageOver(lower: Tree): Staging {
  return stagingOf({
    lower,
    staged: new Map(),
    kids: new Map(),
    fresh: new Set(),
    visits: new Map(),
    pinned: false,
  });
}

function stagingOf(state: State): Staging {
  const { lower, staged, kids, fresh, visits } = state;

  const lowerNode = (path: BytePath): Node | undefined => {
    if (isHidden(fresh, path)) return undefined;
    const node = lower.lookup(path);
    visits.set(path, found(node));
    return node;
  };

  const forget = (path: BytePath): void => {
    for (const name of kids.get(path) ?? []) {
      const child = joinPath(path, name);
      forget(child);
      staged.delete(child);
      fresh.delete(child);
    }
    kids.delete(path);
  };

  const record = (path: BytePath, node: Node | null): void => {
    staged.set(path, node);
    if (path === "") return;
    const parent = parentOf(path);
    const names = kids.get(parent);
    if (names) names.add(nameOf(path));
    else kids.set(parent, new Set([nameOf(path)]));
  };

  const put = (path: BytePath, node: Node): void => {
    // What a directory above hides stays hidden; saying it again for each of many files would cost.
    const hidden = isHidden(fresh, path);
    if (!hidden && !staged.has(path) && lowerNode(path)?.type !== "directory") fresh.add(path);
    if (node.type !== "directory") {
      forget(path);
      if (!hidden) fresh.add(path);
    }
    record(path, node);
  };

  const lowerAt = (path: BytePath) => (isHidden(fresh, path) ? undefined : lower.lookup(path));

  /** A directory that was there, and in which nothing changed, is none: its time alone does not count. */
  const isChange = (path: BytePath): boolean => {
    const node = staged.get(path);
    const below = lowerAt(path);
    if (!node) return below !== undefined;
    if (node.type !== "directory" || below?.type !== "directory" || fresh.has(path)) return true;
    for (const name of kids.get(path) ?? []) if (isChange(joinPath(path, name))) return true;
    visits.set(`${path}/.`, metadata(below));
    return metadata(node) !== metadata(below);
  };

  return {
    visits,
    lookup(path) {
      const node = staged.get(path);
      if (node !== undefined) return node ?? undefined;
      return lowerNode(path);
    },
    list(path) {
      const hidden = isHidden(fresh, path) || fresh.has(path);
      const below = hidden ? [] : lower.list(path);
      if (!hidden) visits.set(`${path}/`, listed(below));
      const names = kids.get(path);
      if (names === undefined) return below;
      const merged = new Map(below.map(({ name, node }) => [name, node]));
      for (const name of names) {
        const node = staged.get(joinPath(path, name));
        if (node) merged.set(name, node);
        else merged.delete(name);
      }
      return [...merged].map(([name, node]) => ({ name, node })).sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    put,
    retime(path, existing, mtime) {
      if (path === "") return;
      if (!staged.has(path)) visits.set(`${path}/.`, metadata(existing));
      put(path, { ...existing, mtime });
    },
    remove(path) {
      if (!staged.has(path)) lowerNode(path);
      forget(path);
      fresh.add(path);
      record(path, null);
    },
    pin() {
      state.pinned = true;
    },
    get pinned() {
      return state.pinned;
    },
    isStaged: (path) => staged.has(path),
    *changes() {
      for (const path of [...staged.keys()].sort()) {
        if (!isChange(path)) continue;
        const node = staged.get(path);
        if (node) {
          const opaque = node.type === "directory" && fresh.has(path) && lowerAt(path)?.type === "directory";
          yield { kind: "add", path, node, opaque };
        } else yield { kind: "delete", path };
      }
    },
    fork: () =>
      stagingOf({
        lower,
        staged: new Map(staged),
        kids: new Map([...kids].map(([path, names]) => [path, new Set(names)])),
        fresh: new Set(fresh),
        visits: new Map(visits),
        pinned: state.pinned,
      }),
  };
}

/** Whether a directory above `path` hides the lower tree. */
function isHidden(fresh: ReadonlySet<BytePath>, path: BytePath): boolean {
  if (fresh.size === 0) return false;
  for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1))
    if (fresh.has(path.slice(0, slash))) return true;
  return path !== "" && fresh.has("");
}
