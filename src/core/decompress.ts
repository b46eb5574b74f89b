import { Readable } from "node:stream";
import { fileCompression } from "./archive-kind.ts";
import type { Bytes } from "./bytes.ts";
import { BuildError, foreignText } from "./errors.ts";

/**
 * Undoes gzip, zstd, xz or bzip2 around an archive; what is not compressed passes through. xz and bzip2 need the programs of
 * those names.
 */
export async function* decompressed(data: Bytes): Bytes {
  const { head, whole } = await peek(data, 6);
  const compression = fileCompression(head);
  if (compression === undefined) yield* whole;
  else if (compression === "gzip") yield* through(whole, (await import("node:zlib")).createGunzip());
  else if (compression === "zstd") yield* through(whole, (await import("node:zlib")).createZstdDecompress());
  else yield* throughProgram(whole, compression);
}

async function* through(data: Bytes, transform: NodeJS.ReadWriteStream): Bytes {
  const source = Readable.from(data, { objectMode: false });
  source.on("error", (error) => (transform as unknown as Readable).destroy(error));
  try {
    yield* source.pipe(transform) as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (
      error instanceof BuildError ||
      !/^(Z_|ERR_ZLIB|ZSTD_)/.test((error as NodeJS.ErrnoException).code ?? "")
    )
      throw error;
    throw new BuildError("invalid-argument", "the compressed archive is damaged", { cause: error });
  } finally {
    source.destroy();
  }
}

/** The first bytes of a stream (fewer when it is shorter), and the whole of it, to be read once. */
export async function peek(data: Bytes, length: number): Promise<{ head: Buffer; whole: Bytes }> {
  const iterator = data[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let size = 0;
  while (size < length) {
    const next = await iterator.next();
    if (next.done) break;
    first.push(next.value);
    size += next.value.length;
  }
  const head = Buffer.concat(first);
  async function* whole(): Bytes {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head, whole: whole() };
}

/** The program ends with its input, or when nobody reads on. */
async function* throughProgram(data: Bytes, program: "xz" | "bzip2"): Bytes {
  const { spawn } = await import("node:child_process");
  const child = spawn(program, ["-dc"], { stdio: ["pipe", "pipe", "pipe"] });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-500);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ENOENT" ? withoutProgram(program) : error),
    );
    child.on("close", resolve);
  });
  ended.catch(() => undefined);
  const source = Readable.from(data, { objectMode: false });
  let failure: Error | undefined;
  source.on("error", (error) => {
    failure = error;
    child.kill();
  });
  child.stdin.on("error", () => undefined); // it may stop reading before the end
  source.pipe(child.stdin);
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    const status = await ended;
    if (failure !== undefined) throw failure;
    if (status !== 0)
      throw new BuildError("invalid-argument", "the compressed archive is damaged", {
        cause: new Error(foreignText(complaint) || `${program} failed`),
      });
  } finally {
    source.destroy();
    child.kill();
  }
}

function withoutProgram(program: "xz" | "bzip2"): BuildError {
  return new BuildError(
    "failed-precondition",
    `the archive is compressed with ${program}, and there is no program ${program} on PATH`,
    {
      hint: `install ${program === "xz" ? "xz-utils" : "bzip2"}, or compress the archive with gzip or zstd`,
    },
  );
}
