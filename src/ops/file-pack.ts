import { closeSync, fstatSync, openSync } from "node:fs";
import { BuildError, type BytePath, fsPath, nameOf, textOf } from "../core/index.ts";
import type { FileContent, LayerWriter, NewEntry, PackedLayer } from "../layer/index.ts";
import { openLayerWriter } from "../layer/tar/index.ts";
import type { AheadFiles } from "./file-read-ahead.ts";
import type { Change, Staging } from "./file-staging.ts";
import { type Content, type HostFile, type Node, shown } from "./file-tree.ts";

/** Files of a scanned directory, by row, with the sha256 that reading them gave. */
export interface ReadFiles {
  readonly rows: readonly number[];
  /** 32 bytes for each row. */
  readonly digests: Uint8Array;
}

/** Collects `ReadFiles`. */
export interface DigestLog {
  add(row: number, sha256: Uint8Array): void;
  take(): ReadFiles;
}

/** Collects the digests of the files of the host that are read. */
export function digestLog(): DigestLog {
  const rows: number[] = [];
  let digests = new Uint8Array(0);
  return {
    add(row, sha256) {
      const at = 32 * rows.length;
      if (at === digests.length) {
        const grown = new Uint8Array(Math.max(4096, 2 * at));
        grown.set(digests);
        digests = grown;
      }
      digests.set(sha256, at);
      rows.push(row);
    },
    take: () => ({ rows, digests: digests.subarray(0, 32 * rows.length) }),
  };
}

/**
 * Writes the changes of a staging as one layer: each source file is read once, the tar written once. `file` is a
 * temporary path on the store's filesystem; nothing is left there when it throws. Throws `aborted` when a file of the host
 * is no longer what the scan saw: the cache key speaks of that.
 */
export function packStaging(staging: Staging, file: string, log: DigestLog, ahead?: AheadFiles): PackedLayer {
  const writer = openLayerWriter({ file, digests: true });
  const sources = openSources(log, ahead);
  const names = new Map<string, BytePath>();
  try {
    for (const change of staging.changes()) packChange(writer, change, names, sources);
    return writer.finish();
  } catch (error) {
    writer.abort();
    throw error;
  } finally {
    sources.close();
  }
}

function packChange(
  writer: LayerWriter,
  change: Change,
  names: Map<string, BytePath>,
  sources: Sources,
): void {
  refuseWhiteoutName(change.path);
  if (change.kind === "delete") {
    writer.whiteout(change.path);
    return;
  }
  const { path, node } = change;
  const first = node.inode === undefined ? undefined : names.get(node.inode);
  if (first !== undefined) {
    writer.add(entryOf(path, node, { type: "hardlink", linkname: first }));
    return;
  }
  if (node.inode !== undefined) names.set(node.inode, path);
  addNode(writer, path, node, sources);
  if (change.opaque) writer.opaque(path);
}

function addNode(writer: LayerWriter, path: BytePath, node: Node, sources: Sources): void {
  const linkname = node.type === "symlink" ? (node.link ?? "") : "";
  const entry = entryOf(path, node, { type: node.type, linkname });
  const { content } = node;
  if (node.type !== "file" || node.size === 0 || content === undefined) writer.add(entry);
  else if (content.kind === "host") addHostFile(writer, entry, content, sources);
  else sources.use(content, node.size, (bytes) => writer.add(entry, bytes));
}

function entryOf(
  path: BytePath,
  node: Node,
  link: Pick<NewEntry, "type"> & { linkname: BytePath },
): NewEntry {
  const { mode, uid, gid, mtime, devMajor, devMinor, xattrs } = node;
  const entry = { path, mode, uid, gid, mtime, devMajor, devMinor, ...link };
  const capability = xattrs?.get("security.capability");
  return capability ? { ...entry, xattrs: new Map([["security.capability", capability]]) } : entry;
}

/** A file named like a whiteout would delete something when the layer is unpacked. */
function refuseWhiteoutName(path: BytePath): void {
  if (!nameOf(path).startsWith(".wh.")) return;
  throw new BuildError(
    "invalid-argument",
    `${shown(path)}: image layers cannot hold a file whose name begins with .wh.`,
    {
      hint: "rename the file, or exclude it in .dockerignore",
    },
  );
}

function addHostFile(writer: LayerWriter, entry: NewEntry, file: HostFile, sources: Sources): void {
  const { log, ahead } = sources;
  const read = ahead?.take(file.row);
  if (read !== undefined) {
    writer.add(entry, { kind: "bytes", ...read });
    log.add(file.row, read.sha256);
    return;
  }
  const fd = openHostFile(file);
  try {
    const { size, sha256 } = file;
    writer.add(entry, { kind: "fd", fd, position: 0, size, ...(sha256 === undefined ? {} : { sha256 }) });
  } finally {
    // Times tell after the reading what changed before and during it; also when it ended too early.
    try {
      requireUnchanged(fd, file);
    } finally {
      closeSync(fd);
    }
  }
  if (file.sha256 === undefined) log.add(file.row, writer.lastDigest());
}

function requireUnchanged(fd: number, file: HostFile): void {
  const { size, mtimeMs, ctimeMs } = fstatSync(fd);
  if (size === file.size && mtimeMs === file.mtime && ctimeMs === file.ctime) return;
  throw new BuildError("aborted", `${textOf(file.path)} changed while it was being copied`, {
    hint: "build again when nothing writes to it, or exclude it in .dockerignore",
  });
}

function openHostFile(file: HostFile): number {
  try {
    return openSync(fsPath(file.path), "r");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason =
      code === "ENOENT"
        ? "it was removed while the build ran"
        : code === "EACCES"
          ? "permission denied"
          : code;
    throw new BuildError(
      code === "EACCES" ? "permission-denied" : "failed-precondition",
      `cannot read ${textOf(file.path)}: ${reason}`,
      { cause: error },
    );
  }
}

interface Sources {
  readonly log: DigestLog;
  readonly ahead: AheadFiles | undefined;
  use(content: Exclude<Content, HostFile>, size: number, add: (content: FileContent) => void): void;
  close(): void;
}

/** Keeps the archives that files are taken from open until the layer is written. */
function openSources(log: DigestLog, ahead: AheadFiles | undefined): Sources {
  const archives = new Map<BytePath, number>();
  const archive = (file: BytePath): number => {
    const open = archives.get(file);
    if (open !== undefined) return open;
    const fd = openSync(fsPath(file), "r");
    archives.set(file, fd);
    return fd;
  };
  return {
    log,
    ahead,
    use(content, size, add) {
      if (content.kind === "bytes") {
        add(content);
        return;
      }
      if (content.kind === "range") {
        add({ kind: "fd", fd: archive(content.file), position: content.position, size });
        return;
      }
      const bytes = content.view.open(content.path);
      try {
        add({ kind: "fd", fd: bytes.fd, position: bytes.position, size: bytes.size });
      } finally {
        bytes.close();
      }
    },
    close() {
      for (const fd of archives.values()) closeSync(fd);
    },
  };
}
