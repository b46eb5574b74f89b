import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import {
  BuildError,
  type BytePath,
  bytePathOf,
  fileTime,
  fsPath,
  textOf,
  writeFully,
} from "../../core/index.ts";
import { readTar, type TarMember, type TarSource } from "../../layer/index.ts";
import { makeNode, setXattr } from "../../sys/index.ts";

/** Where an archive goes. */
export interface ExtractTask {
  /** Absolute. */
  readonly path: string;
  /**
   * `copy`: the archive holds one file or tree, as `packTree` makes it, and goes where docker's rules say. `archive`: anybody's
   * archive, into a directory that exists.
   */
  readonly kind: "copy" | "archive";
  /** Keeps owners, and with them the bits that lend a file's rights; and makes devices. Else all belongs to the caller. */
  readonly keepOwners: boolean;
  /**
   * Whether parents may be symbolic links. Only where none can lead out of what the archive is meant for.
   */
  readonly followParents: boolean;
}

export interface Extracted {
  /** Size of the archive as far as it was read. */
  readonly bytes: number;
  /** What was left out. */
  readonly skipped: readonly string[];
}

const bufferSize = 1 << 18;
const createOnly = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** setuid and setgid. */
const lendingBits = 0o6000;

/** Unpacks an archive. What is there already is replaced, but never a directory by something else or the other way round. */
export function extractTree(task: ExtractTask, source: TarSource): Extracted {
  const buffer = Buffer.allocUnsafeSlow(bufferSize);
  const directories: { path: BytePath; member: TarMember }[] = [];
  const skipped: string[] = [];
  let place: Place | undefined;
  let bytes = 0;

  for (const member of readTar(source)) {
    place ??= task.kind === "archive" ? intoDirectory(task.path) : destination(task.path, member);
    bytes = member.position + member.size;
    const components = cleanName(member.name);
    const path = pathOf(place, components, member.name);
    if (path === undefined) continue;
    makeParents(place, path, task.followParents);
    if (member.flag === "5") {
      makeDirectory(path, member);
      directories.push({ path, member });
    } else if (makeOther(path, member, place)) settle(path, member);
    else skipped.push(textOf(member.name));
  }
  if (place === undefined) throw new BuildError("invalid-argument", "the archive is empty");
  for (const { path, member } of directories.reverse()) settle(path, member);
  return { bytes, skipped };

  function makeOther(path: BytePath, member: TarMember, at: Place): boolean {
    const isDevice = member.flag === "3" || member.flag === "4";
    if (isDevice && !task.keepOwners) return false;
    if (!"012346".includes(member.flag)) return false;
    makeRoom(path, member);
    if (member.flag === "0") writeFile(path, member);
    else if (member.flag === "1") {
      const target = pathOf(at, cleanName(member.linkname), member.linkname);
      if (target === undefined) return false;
      makeParents(at, target, task.followParents);
      linkSync(fsPath(target), fsPath(path));
    } else if (member.flag === "2") symlinkSync(Buffer.from(member.linkname, "latin1"), fsPath(path));
    else {
      const type = member.flag === "3" ? "char" : member.flag === "4" ? "block" : "fifo";
      makeNode(fsPath(path), type, 0o600, member.devMajor, member.devMinor);
    }
    return true;
  }

  function writeFile(path: BytePath, member: TarMember): void {
    const fd = openSync(fsPath(path), createOnly, 0o600);
    try {
      for (let done = 0; done < member.size; ) {
        const part = buffer.subarray(0, Math.min(bufferSize, member.size - done));
        const count = source.read(part, member.position + done);
        if (count === 0)
          throw new BuildError("invalid-argument", `${textOf(member.name)}: the archive is cut off`);
        writeFully(fd, part.subarray(0, count));
        done += count;
      }
      if (task.keepOwners) fchownSync(fd, member.uid, member.gid);
      fchmodSync(fd, modeOf(member));
      for (const [name, value] of task.keepOwners ? (member.xattrs ?? []) : [])
        if (name === "security.capability") setXattr(fsPath(path), name, value);
      futimesSync(fd, fileTime(member.mtime), fileTime(member.mtime));
    } finally {
      closeSync(fd);
    }
  }

  function settle(path: BytePath, member: TarMember): void {
    // A hardlink is the file that was settled before; a file is settled while it is open.
    if (member.flag === "0" || member.flag === "1") return;
    if (task.keepOwners) lchownSync(fsPath(path), member.uid, member.gid);
    if (member.flag !== "2") chmodSync(fsPath(path), modeOf(member));
    lutimesSync(fsPath(path), fileTime(member.mtime), fileTime(member.mtime));
  }

  function modeOf({ mode }: TarMember): number {
    return task.keepOwners ? mode : mode & ~lendingBits;
  }
}

/** What the archive's root stands for. */
interface Place {
  /** Absolute, and without links. */
  readonly root: BytePath;
  /** The first component of every entry, which `root` replaces; undefined: entries go below `root` as they are named. */
  readonly replaces: BytePath | undefined;
}

function intoDirectory(path: string): Place {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new BuildError("not-found", `no such directory: ${path}`);
  if (!stats.isDirectory())
    throw new BuildError("failed-precondition", `destination ${path} must be a directory`);
  return { root: bytePathOf(realpathSync(path)), replaces: undefined };
}

/** Docker's rules, which depend on what is copied and on what is there. */
function destination(given: string, first: TarMember): Place {
  const replaces = cleanName(first.name)[0] ?? ".";
  const isDirectory = first.flag === "5";
  const asksForDirectory = /\/\.?$/.test(given);
  const path = followLast(given.replace(/(?<=.)(\/\.?)+$/, ""));
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing?.isDirectory()) {
    const root = bytePathOf(realpathSync(path));
    if (replaces === ".") return { root, replaces };
    return { root: root === "/" ? `/${replaces}` : `${root}/${replaces}`, replaces };
  }
  if (existing !== undefined && isDirectory)
    throw new BuildError("failed-precondition", `cannot copy directory: ${path} is a file`);
  if (existing !== undefined && asksForDirectory)
    throw new BuildError("failed-precondition", `not a directory: ${path}`);
  if (existing === undefined && asksForDirectory && !isDirectory)
    throw new BuildError("not-found", `no such directory: ${given}`);
  return {
    root: bytePathOf(`${realDirectory(dirname(path))}${path.slice(path.lastIndexOf("/"))}`),
    replaces,
  };
}

function realDirectory(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined)
    throw new BuildError("not-found", `directory ${JSON.stringify(path)} does not exist`);
  if (!stats.isDirectory()) throw new BuildError("failed-precondition", `not a directory: ${path}`);
  const real = realpathSync(path);
  return real === "/" ? "" : real;
}

/** Where a path leads when its last component is a link, even one to nothing. */
function followLast(path: string): string {
  let current = path;
  for (let links = 0; links < 40; links++) {
    if (!lstatSync(current, { throwIfNoEntry: false })?.isSymbolicLink()) return current;
    current = resolve(dirname(current), readlinkSync(current));
  }
  throw new BuildError("invalid-argument", `${path}: too many levels of symbolic links`);
}

function cleanName(name: BytePath): BytePath[] {
  const components = name.split("/").filter((part) => part !== "" && part !== ".");
  if (components.includes(".."))
    throw new BuildError("invalid-argument", `the archive names a path that climbs: ${textOf(name)}`);
  return components;
}

/** Where an entry goes; undefined for the root of an archive that goes into a directory. */
function pathOf(place: Place, components: readonly BytePath[], name: BytePath): BytePath | undefined {
  let below = components;
  if (place.replaces !== undefined && place.replaces !== ".") {
    if (components[0] !== place.replaces)
      throw new BuildError("invalid-argument", `the archive holds more than one tree: ${textOf(name)}`);
    below = components.slice(1);
  } else if (components.length === 0) return undefined;
  return below.length === 0 ? place.root : `${place.root === "/" ? "" : place.root}/${below.join("/")}`;
}

/** Every directory between the root and `path`; made where missing. */
function makeParents(place: Place, path: BytePath, followParents: boolean): void {
  const base = place.root === "/" ? "" : place.root;
  const below = path.slice(base.length + 1).split("/");
  for (let depth = 1; depth < below.length; depth++) {
    const parent = `${base}/${below.slice(0, depth).join("/")}`;
    const stats = statusOf(parent, followParents);
    if (stats?.isDirectory()) continue;
    if (stats !== undefined || isLink(parent))
      throw new BuildError("failed-precondition", `${textOf(parent)} is not a directory`);
    mkdirSync(fsPath(parent), 0o755);
  }
}

function statusOf(path: BytePath, follow: boolean): Stats | undefined {
  return (follow ? statSync : lstatSync)(fsPath(path), { throwIfNoEntry: false }) as Stats | undefined;
}

function isLink(path: BytePath): boolean {
  return statusOf(path, false)?.isSymbolicLink() === true;
}

function makeDirectory(path: BytePath, member: TarMember): void {
  const existing = statusOf(path, false);
  if (existing?.isDirectory()) return;
  if (existing !== undefined)
    throw new BuildError(
      "failed-precondition",
      `cannot overwrite non-directory ${JSON.stringify(textOf(path))} with directory ${JSON.stringify(textOf(member.name))}`,
    );
  mkdirSync(fsPath(path), 0o700);
}

function makeRoom(path: BytePath, member: TarMember): void {
  const existing = statusOf(path, false);
  if (existing === undefined) return;
  if (existing.isDirectory())
    throw new BuildError(
      "failed-precondition",
      `cannot overwrite directory ${JSON.stringify(textOf(path))} with non-directory ${JSON.stringify(textOf(member.name))}`,
    );
  unlinkSync(fsPath(path));
}
