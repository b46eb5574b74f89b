/**
 * From the members of a tar to the index of a layer. Everything that could lead out of the root filesystem is refused
 * here, before a single file is made from the archive: unpacking follows the index alone.
 */
import { BuildError, type BytePath, textOf } from "../core/index.ts";
import { type BuiltIndex, createIndexBuilder, type EntryType, type IndexBuilder } from "../snapshot/index.ts";
import { movedPath } from "./borrowed.ts";
import { readTar, type TarMember, type TarSource } from "./tar-reader.ts";

export interface IndexTarOptions {
  /** Refuse device nodes (`import`). */
  readonly refuseDevices?: boolean;
  /** Directories that are symlinks in the layers below, with where those lead. */
  readonly moved?: ReadonlyMap<BytePath, BytePath>;
}

const types: Readonly<Record<string, EntryType>> = {
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};

const whiteoutPrefix = ".wh.";
/** The opaque marker is one of aufs's own names; the others (`.wh..wh.plnk`) mean nothing in an image. */
const whiteoutMeta = ".wh..wh.";
const opaqueMarker = ".wh..wh..opq";

/** Xattrs that overlayfs acts upon: an archive must not speak to it directly. */
const overlayXattr = /^(trusted|user)\.overlay\./;

/** Reads a whole archive. Throws `invalid-argument`, naming the entry, for what is hostile or broken. */
export function indexTar(source: TarSource, options: IndexTarOptions = {}): BuiltIndex {
  const builder = createIndexBuilder();
  for (const member of readTar(source)) addMember(builder, member, options);
  return builder.finish();
}

function addMember(builder: IndexBuilder, member: TarMember, options: IndexTarOptions): void {
  const type = types[member.flag];
  if (type === undefined) {
    if (member.flag === "V") return; // GNU's volume label
    throw refused(member, `unknown type ${JSON.stringify(member.flag)}`);
  }
  const path = movedPath(cleanPath(member, member.name), options.moved ?? []);
  const slash = path.lastIndexOf("/") + 1;
  const name = path.slice(slash);
  if (path.slice(0, slash).includes(`/${whiteoutPrefix}`) || (slash > 0 && path.startsWith(whiteoutPrefix)))
    throw refused(member, "it lies below a whiteout");
  if (name.startsWith(whiteoutPrefix)) {
    addWhiteout(builder, member, path.slice(0, slash), name);
    return;
  }
  if (type === "char" && member.devMajor === 0 && member.devMinor === 0) {
    builder.whiteout(path); // overlayfs's own whiteout, leaked into an image
    return;
  }
  if ((type === "char" || type === "block") && options.refuseDevices)
    throw refused(
      member,
      "device nodes are not imported",
      "leave /dev out of the archive; it is made at run time",
    );
  const { mode, uid, gid, size, mtime, devMajor, devMinor, position } = member;
  checkIds(member);
  builder.add({
    path,
    type,
    mode: type === "symlink" ? 0o777 : mode,
    uid,
    gid,
    size,
    mtime,
    linkname: linkname(member, type, options),
    devMajor,
    devMinor,
    xattrs: xattrs(member),
    position,
  });
}

function addWhiteout(builder: IndexBuilder, member: TarMember, directory: BytePath, name: BytePath): void {
  if (name === opaqueMarker) {
    builder.opaque(directory.slice(0, -1));
    return;
  }
  if (name.startsWith(whiteoutMeta)) return;
  const hidden = name.slice(whiteoutPrefix.length);
  if (hidden === "" || hidden === "." || hidden === "..")
    throw refused(member, "a whiteout of a directory itself");
  builder.whiteout(directory + hidden);
}

function linkname(member: TarMember, type: EntryType, options: IndexTarOptions): BytePath {
  if (type === "hardlink") return movedPath(cleanPath(member, member.linkname), options.moved ?? []);
  if (type !== "symlink") return "";
  if (member.linkname === "") throw refused(member, "a symlink to nothing");
  if (member.linkname.length > 4095) throw refused(member, "its link target is longer than 4095 bytes");
  return member.linkname;
}

/**
 * A name as a path of the root filesystem: leading slashes and `./` go, as in every other tool; `..` never stands for
 * anything good.
 */
function cleanPath(member: TarMember, name: BytePath): BytePath {
  const plain = isPlain(name)
    ? name
    : name
        .split("/")
        .filter((part) => part !== "" && part !== ".")
        .join("/");
  for (const part of plain.split("/")) {
    if (part === "..") throw refused(member, `${textOf(name)} climbs out of the root filesystem`);
    if (part.length > 255) throw refused(member, "a name longer than 255 bytes");
  }
  if (plain.length > 4095) throw refused(member, "a path longer than 4095 bytes");
  return plain;
}

function isPlain(name: BytePath): boolean {
  return (
    name[0] !== "/" && name[0] !== "." && !name.endsWith("/") && !name.includes("//") && !name.includes("/.")
  );
}

function checkIds(member: TarMember): void {
  for (const id of [member.uid, member.gid, member.devMajor, member.devMinor])
    if (id < 0 || id > 0xffff_ffff) throw refused(member, `a user, group or device number of ${id}`);
}

function xattrs(member: TarMember): ReadonlyMap<string, Uint8Array> | undefined {
  if (member.xattrs === undefined) return undefined;
  const kept = new Map([...member.xattrs].filter(([name]) => !overlayXattr.test(name)));
  for (const [name, value] of kept)
    if (name.length > 255 || value.length > 65536)
      throw refused(member, `xattr ${textOf(name)} is too large`);
  return kept.size === 0 ? undefined : kept;
}

function refused(member: TarMember, what: string, hint?: string): BuildError {
  return new BuildError("invalid-argument", `tar entry ${textOf(member.name)} is refused: ${what}`, { hint });
}
