import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
  statfsSync,
  statSync,
} from "node:fs";
import { basename } from "node:path";
import { BuildError, type BytePath, bytePathOf, fsPath, textOf, writeFully } from "../../core/index.ts";
import { type NewEntry, tarEnd, tarHeader, tarPadding } from "../../layer/index.ts";
import { deviceOf, getXattr } from "../../sys/index.ts";

/** What is to be packed. */
export interface PackTask {
  /** Absolute. With `/.` at its end the content of the directory, with a slash the directory that it leads to. */
  readonly path: string;
  /** Whether a symbolic link at the end of the path is followed. */
  readonly followLink: boolean;
}

const capability = "security.capability";
const bufferSize = 1 << 18;
/** The kernel's own filesystems are packed as empty directories: proc, sysfs, devpts, mqueue, cgroup, cgroup2. */
const kernelFilesystems = new Set([0x9fa0, 0x62656572, 0x1cd1, 0x19800202, 0x27e0eb, 0x63677270]);

/**
 * Writes a file or a tree as a tar, as docker's archives of containers are: the first entry is the file or directory itself,
 * by its own name, or `./` for the content of a directory. Returns how many bytes that took.
 */
export function packTree(task: PackTask, out: number): number {
  const { root, name } = locate(task);
  const writer = openWriter(out);
  const links = new Map<string, BytePath>();

  function pack(path: BytePath, entry: BytePath, stats: Stats): void {
    const linked = stats.nlink > 1 && !stats.isDirectory() ? `${stats.dev}:${stats.ino}` : undefined;
    const first = linked === undefined ? undefined : links.get(linked);
    if (first !== undefined) {
      writer.entry({ ...metadata(entry, stats), type: "hardlink", linkname: first });
      return;
    }
    if (stats.isFile()) packFile(path, entry);
    else if (stats.isDirectory()) packDirectory(path, entry, stats);
    else if (!packSpecial(path, entry, stats)) return;
    if (linked !== undefined) links.set(linked, entry);
  }

  function packFile(path: BytePath, entry: BytePath): void {
    const fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(fd);
      const value = getXattr(fsPath(path), capability);
      const xattrs = value === undefined ? {} : { xattrs: new Map([[capability, value]]) };
      writer.entry({ ...metadata(entry, stats), type: "file", ...xattrs }, { fd, size: stats.size });
    } finally {
      closeSync(fd);
    }
  }

  function packDirectory(path: BytePath, entry: BytePath, stats: Stats): void {
    writer.entry({ ...metadata(entry, stats), type: "directory" });
    if (path !== root && belongsToKernel(path)) return;
    const names = readdirSync(fsPath(path), { encoding: "latin1" }).sort();
    for (const child of names) {
      const below = path === "/" ? `/${child}` : `${path}/${child}`;
      const found = lstatSync(fsPath(below), { throwIfNoEntry: false });
      if (found !== undefined) pack(below, `${entry}/${child}`, found);
    }
  }

  /** Sockets have no place in a tar. */
  function packSpecial(path: BytePath, entry: BytePath, stats: Stats): boolean {
    const device = deviceOf(stats.rdev);
    const numbers = { devMajor: device.major, devMinor: device.minor };
    if (stats.isSymbolicLink()) {
      const linkname = readlinkSync(fsPath(path), "latin1");
      writer.entry({ ...metadata(entry, stats), type: "symlink", linkname });
    } else if (stats.isFIFO()) writer.entry({ ...metadata(entry, stats), type: "fifo" });
    else if (stats.isCharacterDevice()) writer.entry({ ...metadata(entry, stats), ...numbers, type: "char" });
    else if (stats.isBlockDevice()) writer.entry({ ...metadata(entry, stats), ...numbers, type: "block" });
    else return false;
    return true;
  }

  pack(root, name, lstatSync(fsPath(root)));
  return writer.finish();
}

/** Where the packing starts, and the name of that in the archive. */
function locate({ path, followLink }: PackTask): { readonly root: BytePath; readonly name: BytePath } {
  const contents = path.endsWith("/.") || path === "/";
  const plain = path.replace(/(\/\.?)+$/, "") || "/";
  const leads = followLink || path.endsWith("/") || contents;
  const stats = lstatSync(plain, { throwIfNoEntry: false });
  const target = leads ? statSync(plain, { throwIfNoEntry: false }) : stats;
  if (target === undefined) throw new BuildError("not-found", `no such file or directory: ${plain}`);
  if ((contents || path.endsWith("/")) && !target.isDirectory())
    throw new BuildError("failed-precondition", `not a directory: ${plain}`);
  const root = bytePathOf(leads ? realpathSync(plain) : plain);
  return { root, name: contents ? "." : bytePathOf(basename(plain)) };
}

function metadata(path: BytePath, stats: Stats): Omit<NewEntry, "type"> {
  return {
    path,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    mtime: Math.floor(stats.mtimeMs / 1000),
  };
}

function belongsToKernel(path: BytePath): boolean {
  return path === "/dev" || kernelFilesystems.has(statfsSync(fsPath(path)).type);
}

function openWriter(out: number) {
  const buffer = Buffer.allocUnsafeSlow(bufferSize);
  let total = 0;
  const put = (bytes: Uint8Array): void => {
    writeFully(out, bytes);
    total += bytes.length;
  };
  return {
    entry(entry: NewEntry, content?: { readonly fd: number; readonly size: number }): void {
      put(tarHeader(entry, content?.size ?? 0));
      if (content === undefined) return;
      for (let left = content.size; left > 0; ) {
        const count = readSync(content.fd, buffer, 0, Math.min(left, bufferSize), null);
        if (count === 0)
          throw new BuildError(
            "failed-precondition",
            `${textOf(entry.path)} became smaller while it was read`,
          );
        put(buffer.subarray(0, count));
        left -= count;
      }
      put(tarPadding(content.size));
    },
    finish(): number {
      put(tarEnd);
      return total;
    },
  };
}
