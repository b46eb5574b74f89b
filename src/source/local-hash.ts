import { createHash, hash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { BuildError, type BytePath, fsPath, textOf } from "../core/index.ts";
import { unreadable } from "./local-scan.ts";
import { joinHost } from "./local-table.ts";

/** Files to hash; columns, because there can be very many. */
export interface FilesToHash {
  /** Absolute, without symlinks. */
  readonly root: BytePath;
  readonly paths: readonly BytePath[];
}

/** Results in the order of the paths. */
export interface FileHashes {
  /** sha256 of each file, 32 bytes one after the other. */
  readonly digests: Uint8Array<ArrayBuffer>;
  /** Size in bytes, mtime and ctime in milliseconds of each file when it had been read. */
  readonly stats: Float64Array<ArrayBuffer>;
}

const attempts = 3;

let buffer: Buffer | undefined;

/**
 * Hashes files. Synchronous: many files belong into a worker. A file that is being written is read again; throws `aborted` when
 * it does not come to rest, `permission-denied` and the like when it cannot be read.
 */
export function hashFiles({ root, paths }: FilesToHash): FileHashes {
  const digests = new Uint8Array(32 * paths.length);
  const stats = new Float64Array(3 * paths.length);
  paths.forEach((path, i) => {
    const hashed = hashFile(joinHost(root, path));
    digests.set(hashed.digest, 32 * i);
    stats[3 * i] = hashed.stats.size;
    stats[3 * i + 1] = hashed.stats.mtimeMs;
    stats[3 * i + 2] = hashed.stats.ctimeMs;
  });
  return { digests, stats };
}

function hashFile(path: BytePath): { digest: Buffer; stats: Stats } {
  const fd = openFile(path);
  try {
    let before: Stats | undefined;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const read = hashDescriptor(fd);
      const stats = fstatSync(fd);
      // The scan was moments ago: one look afterwards is enough unless something is odd.
      const still =
        before === undefined || (before.mtimeMs === stats.mtimeMs && before.ctimeMs === stats.ctimeMs);
      if (still && read.length === stats.size) return { digest: read.digest, stats };
      before = stats;
    }
  } catch (error) {
    throw unreadable("file", path, error);
  } finally {
    closeSync(fd);
  }
  throw new BuildError("aborted", `${textOf(path)} is being written while the build reads it`, {
    hint: "build again when nothing writes to the build context, or exclude the file in .dockerignore",
  });
}

function openFile(path: BytePath): number {
  try {
    return openSync(fsPath(path), "r");
  } catch (error) {
    throw unreadable("file", path, error);
  }
}

/** Reads from the start to the end. */
function hashDescriptor(fd: number): { digest: Buffer; length: number } {
  buffer ??= Buffer.allocUnsafeSlow(1 << 18);
  let count = readSync(fd, buffer, 0, buffer.length, 0);
  if (count < buffer.length)
    return { digest: hash("sha256", buffer.subarray(0, count), "buffer"), length: count };
  const state = createHash("sha256");
  let length = 0;
  for (; count > 0; count = readSync(fd, buffer, 0, buffer.length, length)) {
    state.update(buffer.subarray(0, count));
    length += count;
  }
  return { digest: state.digest(), length };
}
