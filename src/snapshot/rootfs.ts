import { BuildError, type BytePath, parentOf, textOf } from "../core/index.ts";
import type { FoundEntry, LayerEntry, LayerSource, LayerView, Rootfs } from "./types.ts";
import { openView } from "./view.ts";

/** As many symlinks as Linux follows in one path. */
const linkLimit = 40;

/** Opens a stack of layers, base first. Works in any thread. */
export function openRootfs(sources: readonly LayerSource[]): Rootfs {
  return createRootfs(sources.map(openView));
}

/** Sees a stack of layers, base first, as one filesystem: the top one wins, whiteouts and opaque directories hide. */
export function createRootfs(layers: readonly LayerView[]): Rootfs {
  const topFirst = layers.toReversed();
  const rootfs: Rootfs = {
    layers,
    lookup: (path) => lookup(topFirst, path),
    inode: (entry) => inode(layers, entry),
    fileDigest(entry) {
      const file = rootfs.inode(entry);
      return file.layer.fileDigest(file.path);
    },
    resolve: (path, options) => resolve(rootfs, path, options?.nofollow ?? false),
    children: (path) => listMerged(contributors(topFirst, path), path),
    walk: (path) => walk(rootfs, topFirst, path),
    read(path) {
      const { path: real, entry } = rootfs.resolve(path);
      if (entry === undefined) throw new BuildError("not-found", `${textOf(path)}: no such file`);
      const file = rootfs.inode(entry);
      if (file.type !== "file")
        throw new BuildError("failed-precondition", `${textOf(real)} is a ${file.type}, not a file`);
      return file.layer.read(file.path);
    },
  };
  return rootfs;
}

/** What a layer says of a path: it has it, knows nothing of it, or hides it in the layers below. */
type Sight = "absent" | "hidden" | LayerEntry;

function sight(layer: LayerView, path: BytePath): Sight {
  const entry = layer.lookup(path);
  if (entry !== undefined) return entry;
  if (layer.isWhiteout(path)) return "hidden";
  for (let above = path; above !== ""; ) {
    above = parentOf(above);
    if (above === "" && layer.hidesNothing) return "absent";
    const ancestor = layer.lookup(above);
    if (ancestor === undefined) {
      if (layer.isWhiteout(above)) return "hidden";
    } else if (ancestor.type !== "directory" || layer.isOpaque(above)) return "hidden";
    else if (layer.hidesNothing) return "absent";
  }
  return "absent";
}

function lookup(topFirst: readonly LayerView[], path: BytePath): FoundEntry | undefined {
  let implied: FoundEntry | undefined;
  for (const layer of topFirst) {
    const seen = sight(layer, path);
    if (seen === "absent") continue;
    if (seen === "hidden") break;
    if (implied !== undefined && seen.type !== "directory") break;
    if (!seen.implied) return { ...seen, layer };
    implied ??= { ...seen, layer };
  }
  return implied;
}

/** Layers that have children of a directory to show, top first; none when `path` is no directory. */
function contributors(topFirst: readonly LayerView[], path: BytePath): LayerView[] {
  const found: LayerView[] = [];
  for (const layer of topFirst) {
    const seen = sight(layer, path);
    if (seen === "absent") continue;
    if (seen === "hidden" || seen.type !== "directory") break;
    found.push(layer);
    if (layer.isOpaque(path)) break;
  }
  return found;
}

/** The same for a child directory, among the layers that show its parent. */
function childContributors(parents: readonly LayerView[], path: BytePath): LayerView[] {
  const found: LayerView[] = [];
  for (const layer of parents) {
    const entry = layer.lookup(path);
    if (entry === undefined) {
      if (layer.isWhiteout(path)) break;
      continue;
    }
    if (entry.type !== "directory") break;
    found.push(layer);
    if (layer.isOpaque(path)) break;
  }
  return found;
}

function listMerged(layers: readonly LayerView[], path: BytePath): FoundEntry[] {
  const shown = new Map<BytePath, FoundEntry>();
  const settled = new Set<BytePath>();
  for (const layer of layers) {
    for (const child of layer.children(path)) {
      if (settled.has(child.path)) continue;
      const above = shown.get(child.path);
      if (above === undefined || (child.type === "directory" && !child.implied))
        shown.set(child.path, { ...child, layer });
      if (!child.implied) settled.add(child.path);
    }
    if (layer.hidesNothing) continue;
    for (const hidden of layer.whiteouts(path)) if (parentOf(hidden) === path) settled.add(hidden);
  }
  return [...shown.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function* walk(rootfs: Rootfs, topFirst: readonly LayerView[], path: BytePath): Generator<FoundEntry> {
  const start = rootfs.lookup(path);
  if (start === undefined) return;
  yield start;
  if (start.type === "directory") yield* walkBelow(contributors(topFirst, path), path);
}

function* walkBelow(layers: readonly LayerView[], path: BytePath): Generator<FoundEntry> {
  const open = [listMerged(layers, path).values()];
  const stacks = [layers];
  while (open.length > 0) {
    const next = open.at(-1)!.next();
    if (next.done) {
      open.pop();
      stacks.pop();
      continue;
    }
    yield next.value;
    if (next.value.type !== "directory") continue;
    const within = childContributors(stacks.at(-1)!, next.value.path);
    stacks.push(within);
    open.push(listMerged(within, next.value.path).values());
  }
}

function inode(layers: readonly LayerView[], entry: FoundEntry): FoundEntry {
  let current = entry;
  // In each layer a link leads to a file, or to a link that leads to a layer below.
  for (let hops = 0; current.type === "hardlink"; hops++) {
    if (hops > 2 * layers.length)
      throw new BuildError("data-loss", `${textOf(entry.path)} is a hardlink that leads back to itself`);
    const own = current.layer.lookup(current.linkname);
    const lower = layers.slice(0, layers.indexOf(current.layer));
    const target: FoundEntry | undefined =
      own === undefined ? lookup(lower.reverse(), current.linkname) : { ...own, layer: current.layer };
    if (target === undefined || target.type === "directory")
      throw new BuildError(
        "data-loss",
        `${textOf(current.path)} is a hardlink to ${textOf(current.linkname)}, which the layers do not have`,
      );
    current = target;
  }
  return current;
}

function resolve(
  rootfs: Rootfs,
  path: BytePath,
  nofollow: boolean,
): { path: BytePath; entry: FoundEntry | undefined } {
  const todo = path.split("/").reverse();
  let done: BytePath[] = [];
  let entry: FoundEntry | undefined = rootfs.lookup("");
  let links = 0;
  while (todo.length > 0) {
    const name = todo.pop()!;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      done.pop();
      entry = rootfs.lookup(done.join("/"));
      continue;
    }
    const here = [...done, name].join("/");
    entry = rootfs.lookup(here);
    const target = entry?.type === "hardlink" ? rootfs.inode(entry) : entry;
    if (target?.type === "symlink" && !(nofollow && todo.length === 0)) {
      if (++links > linkLimit)
        throw new BuildError("failed-precondition", `${textOf(path)}: too many levels of symbolic links`);
      if (target.linkname.startsWith("/")) done = [];
      todo.push(...target.linkname.split("/").reverse());
      entry = undefined;
      continue;
    }
    done.push(name);
  }
  const real = done.join("/");
  return { path: real, entry: entry?.path === real ? entry : rootfs.lookup(real) };
}
