import { readSync } from "node:fs";
import { BuildError, type BytePath, joinPath, parentOf, textOf } from "../core/index.ts";
import { readTar, type TarMember } from "../layer/tar/index.ts";
import { makeDirectories } from "./file-actions.ts";
import type { Owner } from "./file-owner.ts";
import type { Staging } from "./file-staging.ts";
import { type Node, type NodeType, resolvePath, rootNode, shown, unspecifiedTime } from "./file-tree.ts";

/** An open archive: `file` names it for later, when its entries' bytes are read. */
export interface OpenArchive {
  readonly file: BytePath;
  readonly fd: number;
  readonly size: number;
}

const nodeTypes: Readonly<Record<string, NodeType>> = {
  "0": "file",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};

/**
 * Unpacks a tar into a directory as ADD does: entries replace what is there, directories are merged, symlinks on the way are
 * resolved as if `into` were the root, missing parents are made with mode 0755 and belong to root. `owner` replaces every
 * entry's ids.
 * Names that climb with `..` are refused.
 */
export function unpackTar(fs: Staging, into: BytePath, archive: OpenArchive, owner: Owner | undefined): void {
  const source = {
    size: archive.size,
    read: (target: Buffer, position: number) => readSync(archive.fd, target, 0, target.length, position),
  };
  for (const member of readTar(source)) {
    if (member.flag === "V" || member.flag === "g") continue;
    unpackMember({ fs, into, archive, owner }, member);
  }
}

interface Unpacking {
  readonly fs: Staging;
  readonly into: BytePath;
  readonly archive: OpenArchive;
  readonly owner: Owner | undefined;
}

function unpackMember(unpacking: Unpacking, member: TarMember): void {
  const { fs, into } = unpacking;
  const path = placeOf(unpacking, member, member.name);
  if (path === "") return;
  if (path !== into) makeDirectories(fs, parentOf(path), 0o755, undefined, unspecifiedTime);
  const existing = fs.lookup(path);
  if (member.flag === "1") {
    unpackHardlink(unpacking, member, path);
    return;
  }
  const type = nodeTypes[member.flag];
  if (type === undefined) throw refused(member, `unknown type ${JSON.stringify(member.flag)}`);
  if (existing && !(existing.type === "directory" && type === "directory")) fs.remove(path);
  fs.put(path, nodeOf(unpacking, member, type));
}

function nodeOf({ archive, owner }: Unpacking, member: TarMember, type: NodeType): Node {
  const device = type === "char" || type === "block";
  return {
    ...rootNode,
    type,
    mode: type === "symlink" ? 0o777 : member.mode & 0o7777,
    uid: owner?.uid ?? member.uid,
    gid: owner?.gid ?? member.gid,
    mtime: Math.max(0, Math.floor(member.mtime)),
    size: type === "file" ? member.size : 0,
    link: type === "symlink" ? member.linkname : undefined,
    devMajor: device ? member.devMajor : 0,
    devMinor: device ? member.devMinor : 0,
    xattrs: member.xattrs,
    content: type === "file" ? { kind: "range", file: archive.file, position: member.position } : undefined,
  };
}

/**
 * The file that a hard link names must be there already: earlier in the archive, or in the filesystem. It takes over the
 * link's metadata, as with the tools that set these by name.
 */
function unpackHardlink(unpacking: Unpacking, member: TarMember, path: BytePath): void {
  const { fs } = unpacking;
  const target = placeOf(unpacking, member, member.linkname);
  const node = fs.lookup(target);
  if (node === undefined || node.type === "directory")
    throw refused(member, `it is a hard link to ${textOf(member.linkname)}, which is no file`);
  if (target === path) return;
  if (!fs.isStaged(target)) fs.pin();
  const { mode, uid, gid, mtime } = nodeOf(unpacking, member, node.type);
  const linked = { ...node, mode, uid, gid, mtime, inode: node.inode ?? `${target}\0linked` };
  fs.put(target, linked);
  if (fs.lookup(path)) fs.remove(path);
  fs.put(path, linked);
}

/** Where a name of the archive is in the filesystem: its parents resolved inside `into`. */
function placeOf({ fs, into }: Unpacking, member: TarMember, name: BytePath): BytePath {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refused(member, `${textOf(name)} climbs out of the archive's root`);
  return resolvePath(fs, joinPath("", parts.join("/")), { last: "keep", root: into });
}

function refused(member: TarMember, reason: string): BuildError {
  return new BuildError("invalid-argument", `archive entry ${shown(member.name)}: ${reason}`);
}
