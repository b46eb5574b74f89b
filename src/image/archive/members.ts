import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readFileSync, rmSync } from "node:fs";
import { posix } from "node:path";
import type { Blob, ContentStore } from "../../content/index.ts";
import {
  BuildError,
  type Bytes,
  collect,
  type Digest,
  fileBytes,
  fromHex,
  writeFully,
} from "../../core/index.ts";
import { jsonLimit } from "../json.ts";
import { readTar } from "./tar.ts";

/** An archive that can be looked into by path: an unpacked layout, or a tar that was spooled into the store. */
export interface Members {
  has(path: string): boolean;
  /** A small member in one piece; `undefined` when there is none. */
  read(path: string): Promise<Buffer | undefined>;
  /**
   * Puts a member into the content store as a blob, checked against `expected`. Throws `not-found`
   * naming the path when there is none.
   */
  ingest(path: string, expected?: Partial<Blob>): Promise<Blob>;
  /** Removes what was spooled and not taken. */
  dispose(): void;
}

interface Spooled extends Blob {
  readonly file: string;
}

const linkDepth = 8;

/**
 * Spools every file of a tar beside the blobs, hashed on the way, because members refer to each other in any order.
 * Nothing of it is a blob before `ingest` says so.
 */
export async function spoolTar(data: Bytes, content: ContentStore, signal?: AbortSignal): Promise<Members> {
  const files = new Map<string, Spooled>();
  const links = new Map<string, string>();
  const dispose = () => {
    for (const { file } of files.values()) rmSync(file, { force: true });
  };
  try {
    for await (const member of readTar(data)) {
      signal?.throwIfAborted();
      const path = memberPath(member.path);
      const before = files.get(path);
      if (before !== undefined) rmSync(before.file, { force: true });
      files.delete(path);
      links.delete(path);
      if (member.type === "file") files.set(path, await spool(member.data, content.temporary()));
      else if (member.type === "hardlink") links.set(path, memberPath(member.linkname));
      else if (member.type === "symlink")
        links.set(path, memberPath(posix.join(posix.dirname(path), member.linkname)));
      else if (member.type === "other")
        throw new BuildError(
          "invalid-argument",
          `image archive: ${path} is neither a file, a link nor a directory`,
        );
    }
  } catch (error) {
    dispose();
    throw error;
  }
  const find = (path: string, depth = 0): Spooled | undefined => {
    const wanted = memberPath(path);
    const file = files.get(wanted);
    const link = links.get(wanted);
    if (file !== undefined || link === undefined || depth === linkDepth) return file;
    return find(link, depth + 1);
  };
  return {
    has: (path) => find(path) !== undefined,
    async read(path) {
      const found = find(path);
      if (found === undefined) return undefined;
      if (found.size > jsonLimit) throw tooLarge(path, found.size);
      // Taken already: then it is a blob.
      return lstatSync(found.file, { throwIfNoEntry: false }) === undefined
        ? content.read(found.digest)
        : readFileSync(found.file);
    },
    async ingest(path, expected = {}) {
      const found = find(path);
      if (found === undefined) throw missing(path);
      checkBlob(path, found, expected);
      if (lstatSync(found.file, { throwIfNoEntry: false }) !== undefined) content.adopt(found.file, found);
      return { digest: found.digest, size: found.size };
    },
    dispose,
  };
}

async function spool(data: Bytes, file: string): Promise<Spooled> {
  const hash = createHash("sha256");
  const descriptor = openSync(file, "wx", 0o600);
  let size = 0;
  try {
    for await (const chunk of data) {
      hash.update(chunk);
      writeFully(descriptor, chunk);
      size += chunk.length;
    }
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
  return { file, digest: fromHex(hash.digest("hex")), size };
}

/** An OCI image layout as a directory. Symbolic links in it are not followed. */
export function directoryMembers(root: string, content: ContentStore, signal?: AbortSignal): Members {
  const locate = (path: string): { file: string; size: number } | undefined => {
    let file = root;
    for (const part of memberPath(path).split("/")) {
      file = posix.join(file, part);
      const found = lstatSync(file, { throwIfNoEntry: false });
      if (found === undefined || found.isSymbolicLink()) return undefined;
      if (found.isFile()) return { file, size: found.size };
    }
    return undefined;
  };
  return {
    has: (path) => locate(path) !== undefined,
    async read(path) {
      const found = locate(path);
      if (found === undefined) return undefined;
      if (found.size > jsonLimit) throw tooLarge(path, found.size);
      return await collect(fileBytes(found.file, signal), jsonLimit, path);
    },
    async ingest(path, expected = {}) {
      const found = locate(path);
      if (found === undefined) throw missing(path);
      if (expected.digest !== undefined && content.stat(expected.digest)?.size === found.size) {
        checkBlob(path, { digest: expected.digest, size: found.size }, expected);
        return { digest: expected.digest, size: found.size };
      }
      return await content.ingest(fileBytes(found.file, signal), expected, signal);
    },
    dispose() {},
  };
}

/** Normalises a path of an archive. Throws when it leaves the archive. */
function memberPath(path: string): string {
  const normal = posix.normalize(path).replace(/^\.\/|\/$/g, "");
  if (normal.startsWith("/") || normal === ".." || normal.startsWith("../") || normal.includes("\0"))
    throw new BuildError(
      "invalid-argument",
      `image archive: ${JSON.stringify(path)} leads out of the archive`,
    );
  return normal;
}

function checkBlob(path: string, found: Blob, expected: Partial<Blob>): void {
  if (expected.size !== undefined && expected.size !== found.size)
    throw new BuildError(
      "data-loss",
      `image archive: ${path} has ${found.size} bytes instead of ${expected.size}`,
    );
  if (expected.digest !== undefined && expected.digest !== found.digest)
    throw new BuildError(
      "data-loss",
      `image archive: ${path} has digest ${found.digest} instead of ${expected.digest}`,
    );
}

function missing(path: string): BuildError {
  return new BuildError("not-found", `image archive: ${path} is missing`);
}

function tooLarge(path: string, size: number): BuildError {
  return new BuildError(
    "invalid-argument",
    `image archive: ${path} has ${size} bytes; at most ${jsonLimit} are accepted`,
  );
}

/** Path of a blob in a layout. */
export function blobPath(digest: Digest): string {
  return `blobs/sha256/${digest.slice("sha256:".length)}`;
}
