import {
  closeSync,
  createReadStream,
  createWriteStream,
  openSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { pipeline } from "node:stream/promises";
import {
  BuildError,
  type BytePath,
  type Bytes,
  bytePathOf,
  compressionOfFile,
  decompressed,
  fsPath,
  isTarHeader,
  writeFully,
} from "../core/index.ts";
import { copyBytes } from "../snapshot/index.ts";
import type { Content, Node } from "./file-tree.ts";

/** An uncompressed tar on the host. */
export interface Archive {
  readonly file: BytePath;
  readonly size: number;
}

/** Temporary files of a step; `path` gives a fresh one on the store's filesystem. */
export interface Temporary {
  path(): string;
}

const blockSize = 512;

/**
 * The tar that a file is or holds (gzip, zstd, bzip2, xz); `undefined` when it is none, which ADD copies as it is. What is
 * compressed is unpacked into a temporary file. bzip2 and xz need the programs of that name.
 */
export async function openArchive(
  node: Node,
  name: string,
  temporary: Temporary,
): Promise<Archive | undefined> {
  if (node.type !== "file" || node.content === undefined || node.size === 0) return undefined;
  const file = hostFile(node.content, temporary);
  const compression = compressionOfFile(fsPath(file));
  if (compression === undefined)
    return isTarHeader(head(file, blockSize)) ? { file, size: statSync(fsPath(file)).size } : undefined;
  const plain = temporary.path();
  const start: { checked: boolean } = { checked: false };
  try {
    const content = decompressed(createReadStream(fsPath(file)) as Bytes);
    await pipeline(content, (chunks) => tarOnly(chunks, start), createWriteStream(plain));
    return start.checked ? { file: bytePathOf(plain), size: statSync(plain).size } : undefined;
  } catch (error) {
    rmSync(plain, { force: true });
    if (!(error instanceof BuildError)) throw error;
    const { code, message, hint, cause } = error;
    // Without the program that decompresses it nobody knows what it is.
    if (code === "failed-precondition") throw new BuildError(code, `${name}: ${message}`, { hint, cause });
    if (!start.checked) return undefined;
    const reason = cause instanceof Error ? cause.message : message;
    throw new BuildError("data-loss", `${name}: the archive is damaged: ${reason}`, { cause: error });
  }
}

/** Passes a tar through; ends at once when it does not begin like one. */
async function* tarOnly(chunks: Bytes, start: { checked: boolean }): Bytes {
  let first = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (start.checked) {
      yield chunk;
      continue;
    }
    first = Buffer.concat([first, chunk]);
    if (first.length < blockSize) continue;
    if (!isTarHeader(first)) return;
    start.checked = true;
    yield first;
  }
}

function head(file: BytePath, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const fd = openSync(fsPath(file), "r");
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, length, 0));
  } finally {
    closeSync(fd);
  }
}

/** A file of the host with this content; what lies in a layer is copied out. */
function hostFile(content: Content, temporary: Temporary): BytePath {
  if (content.kind === "host") return content.path;
  const file = temporary.path();
  const out = openSync(file, "wx");
  try {
    if (content.kind === "bytes") writeFully(out, content.bytes);
    else if (content.kind === "layer") copyOut(content, out);
    else throw new TypeError("an archive inside an archive is not unpacked");
  } finally {
    closeSync(out);
  }
  return bytePathOf(file);
}

function copyOut({ view, path }: Extract<Content, { kind: "layer" }>, out: number): void {
  const bytes = view.open(path);
  try {
    copyBytes(bytes, path, out);
  } finally {
    bytes.close();
  }
}
