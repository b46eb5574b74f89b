/**
 * Makes a layer's tar of what a step wrote, at once: in a user namespace the directory is of no use to anybody outside, who may
 * not even read it. Synchronous.
 */
import { lstatSync, rmSync, writeFileSync } from "node:fs";
import { BuildError, type BytePath, bytePathOf, fsPath } from "../core/index.ts";
import {
  type BuiltIndex,
  createIndexBuilder,
  type FoundEntry,
  type LayerSource,
  openRootfs,
  type Rootfs,
} from "../snapshot/index.ts";
import { readStamps, type Stamps, stampOf, walk } from "../stacking/index.ts";
import {
  addAll,
  type FoundInode,
  foundInode,
  indexDirectory,
  tooMany,
  type UpperStyle,
} from "./overlay-walk.ts";
import { packLayer } from "./pack.ts";
import type { PackedLayer } from "./types.ts";
import type { DirectoryStyle } from "./unpack-entry.ts";

export interface PackUpperTask {
  /** The directory that the step wrote to. */
  readonly root: string;
  /** The layers that it stood on, base first. */
  readonly below: readonly LayerSource[];
  readonly style: DirectoryStyle;
  /** Whether the directory is a whole root filesystem, with stamps of what was there before. */
  readonly whole: boolean;
  /** The tar to write; its index goes beside it. */
  readonly file: string;
}

export function packUpper(task: PackUpperTask): PackedLayer {
  const { root, below, file } = task;
  const index = `${file}.walk`;
  const rootfs = openRootfs(below);
  try {
    writeFileSync(index, built(task, rootfs).bytes);
    const source: LayerSource = {
      id: root,
      index,
      digests: `${file}.digests`,
      content: { kind: "directory", path: root },
    };
    return packLayer(source, file);
  } finally {
    for (const layer of rootfs.layers) layer.close();
    rmSync(index, { force: true });
  }
}

function built({ root, style, whole }: PackUpperTask, below: Rootfs): BuiltIndex {
  const upper: UpperStyle = {
    marks: style.marks,
    isBelow: (path) => below.lookup(path) !== undefined,
    ...(style.ids?.kind === "single" ? { ownerOf: (entry) => ownerBelow(below, entry) } : {}),
  };
  if (whole) return indexChanges(root, below, upper, style.ids !== undefined);
  const index = indexDirectory(root, Number.POSITIVE_INFINITY, upper);
  if (index === tooMany) throw new BuildError("internal", "a walk without a limit met one");
  return index;
}

/**
 * Without other ids every file in the directory is root's. What was there before the step, under this name and of this type,
 * keeps its owner: the step cannot have changed it.
 */
function ownerBelow(
  below: Rootfs,
  { path, type }: { readonly path: BytePath; readonly type: string },
): { uid: number; gid: number } | undefined {
  const found = below.lookup(path);
  if (found === undefined) return undefined;
  const file = below.inode(found);
  return file.type === type ? { uid: file.uid, gid: file.gid } : undefined;
}

/** Indexes what differs between a whole root filesystem and the layers that it was copied from. */
function indexChanges(root: string, below: Rootfs, style: UpperStyle, inNamespace: boolean): BuiltIndex {
  const builder = createIndexBuilder();
  const stamps = readStamps(root);
  const base = bytePathOf(root);
  const found: FoundInode[] = [];
  const present = new Map<BytePath, Set<BytePath>>();
  for (const { path, stat } of walk(root)) {
    if (stat.isDirectory()) present.set(path, new Set());
    if (path === "") continue;
    present.get(path.slice(0, Math.max(path.lastIndexOf("/"), 0)))!.add(path);
    if (stat.isSocket() || isUnchanged(stamps, root, path)) continue;
    found.push(foundInode(path, fsPath(`${base}/${path}`), stat, style));
  }
  addAll(builder, withParents(found, root, style));
  for (const [directory, names] of present)
    for (const child of below.children(directory))
      if (!names.has(child.path) && isDeleted(child, below, inNamespace)) builder.whiteout(child.path);
  return builder.finish();
}

function isUnchanged(stamps: Stamps, root: string, path: BytePath): boolean {
  const before = stamps.get(path);
  return before !== undefined && before === stampOf(root, path);
}

/** Device nodes cannot be made in a namespace: those of the layers were never there. */
function isDeleted(entry: FoundEntry, below: Rootfs, inNamespace: boolean): boolean {
  if (!inNamespace) return true;
  const { type } = below.inode(entry);
  return type !== "char" && type !== "block";
}

/** As overlayfs has it, a changed entry brings the directories above it. */
function withParents(found: FoundInode[], root: string, style: UpperStyle): FoundInode[] {
  const base = bytePathOf(root);
  const known = new Set(found.map(({ entry }) => entry.path));
  for (const { entry } of [...found])
    for (let end = entry.path.lastIndexOf("/"); end > 0; end = entry.path.lastIndexOf("/", end - 1)) {
      const parent = entry.path.slice(0, end);
      if (known.has(parent)) break;
      known.add(parent);
      const host = fsPath(`${base}/${parent}`);
      found.push(foundInode(parent, host, lstatSync(host), style));
    }
  return found;
}
