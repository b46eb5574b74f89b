import { spawn } from "node:child_process";
import {
  closeSync,
  createReadStream,
  createWriteStream,
  openSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import {
  BuildError,
  type BytePath,
  bytePathOf,
  compressionOfFile,
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
  const source = createReadStream(fsPath(file));
  const start: { checked: boolean } = { checked: false };
  try {
    const decompressed =
      compression === "xz" || compression === "bzip2"
        ? filter(compression, source, name)
        : source.pipe(compression === "gzip" ? createGunzip() : createZstdDecompress());
    source.on("error", (error) => decompressed.destroy(error));
    await pipeline(decompressed, (chunks) => tarOnly(chunks, start), createWriteStream(plain));
    return start.checked ? { file: bytePathOf(plain), size: statSync(plain).size } : undefined;
  } catch (error) {
    rmSync(plain, { force: true });
    if (error instanceof BuildError) throw error;
    if (!start.checked) return undefined;
    throw new BuildError("data-loss", `${name}: the archive is damaged: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    source.destroy();
  }
}

/** Passes a tar through; ends at once when it does not begin like one. */
async function* tarOnly(chunks: AsyncIterable<Buffer>, start: { checked: boolean }): AsyncGenerator<Buffer> {
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

/** Decompresses with a program that reads stdin and writes stdout. */
function filter(program: "xz" | "bzip2", source: Readable, name: string): Readable {
  const child = spawn(program, ["-dc"], { stdio: ["pipe", "pipe", "pipe"] });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-500);
  });
  // The program may stop reading before the end.
  child.stdin.on("error", () => {});
  child.on("error", (error: NodeJS.ErrnoException) => {
    child.stdout.destroy(
      error.code === "ENOENT"
        ? new BuildError(
            "failed-precondition",
            `${name}: it is compressed with ${program}, and there is no program ${program} on PATH`,
            {
              hint: `install ${program === "xz" ? "xz-utils" : "bzip2"}, or compress the archive with gzip or zstd`,
            },
          )
        : error,
    );
  });
  const finished = new Promise<void>((resolve, reject) => {
    child.on("close", (code) =>
      code === 0 ? resolve() : reject(new Error(complaint.trim() || `${program} failed`)),
    );
  });
  finished.catch(() => {});
  source.pipe(child.stdin);
  return Readable.from(checked(child.stdout, finished), { objectMode: false });
}

async function* checked(output: AsyncIterable<Buffer>, finished: Promise<void>): AsyncGenerator<Buffer> {
  yield* output;
  await finished;
}
