import { createHash } from "node:crypto";
import { type BytePath, digestOfFields, hexOf } from "../core/index.ts";
import {
  entryAt,
  findRecord,
  flagsAt,
  indexFlags,
  type LayerIndex,
  pathAt,
  type Rootfs,
  recordFlags,
  typeAt,
} from "../snapshot/index.ts";

/**
 * Names what a layer's directory form takes from the layers below: the metadata of directories that it only implies, and
 * the files that its hardlinks name there. The same layer on another base may need another directory. Empty
 * when it takes nothing.
 */
export function borrowedKey(index: LayerIndex, below: () => Promise<Rootfs>): Promise<string> {
  if (!(index.flags & indexFlags.dependsOnLower)) return Promise.resolve("");
  return below().then((rootfs) => keyOf(index, rootfs));
}

function keyOf(index: LayerIndex, below: Rootfs): string {
  const state = createHash("sha256");
  let nothing = true;
  for (let record = 0; record < index.count; record++) {
    const path = borrowedPath(index, record);
    if (path === undefined) continue;
    const found = below.lookup(path);
    const file = found === undefined ? undefined : below.inode(found);
    if (file === undefined) continue;
    nothing = false;
    const { mode, uid, gid, mtime } = file;
    const content = file.type === "directory" ? "" : `${file.layer.id} ${file.path}`;
    state.update(digestOfFields(path, file.type, mode, uid, gid, mtime, content));
    for (const [name, value] of file.xattrs ?? [])
      state.update(`${name.length}:${name}${value.length}:`).update(value);
  }
  return nothing ? "" : state.digest("hex").slice(0, 16);
}

function borrowedPath(index: LayerIndex, record: number): BytePath | undefined {
  if (flagsAt(index, record) & recordFlags.implied) return pathAt(index, record) || undefined;
  if (typeAt(index, record) !== "hardlink") return undefined;
  const { linkname } = entryAt(index, record);
  return findRecord(index, linkname) < 0 ? linkname : undefined;
}

/**
 * Directories that a layer implies and that are symlinks in the layers below, with the directories they lead to. A tool that
 * writes `bin/tool` onto a base where `bin` is a link to `usr/bin` means `usr/bin/tool`.
 */
export function movedDirectories(index: LayerIndex, below: Rootfs): [BytePath, BytePath][] {
  const moved: [BytePath, BytePath][] = [];
  if (!(index.flags & indexFlags.dependsOnLower)) return moved;
  for (let record = 0; record < index.count; record++) {
    if (!(flagsAt(index, record) & recordFlags.implied)) continue;
    const path = pathAt(index, record);
    const meant = movedPath(path, moved);
    if (path === "" || below.lookup(meant)?.type !== "symlink") continue;
    const target = below.resolve(meant);
    if (target.entry?.type === "directory") moved.unshift([path, target.path]); // the deepest first
  }
  return moved;
}

/** Where a path lands when directories above it are moved. */
export function movedPath(path: BytePath, moved: Iterable<readonly [BytePath, BytePath]>): BytePath {
  for (const [from, to] of moved) {
    if (!path.startsWith(`${from}/`)) continue;
    return to === "" ? path.slice(from.length + 1) : to + path.slice(from.length);
  }
  return path;
}

/** Short name of a set of moved directories. */
export function movedKey(moved: readonly (readonly [BytePath, BytePath])[]): string {
  return hexOf(digestOfFields(...moved.flat())).slice(0, 16);
}
