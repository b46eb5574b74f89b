import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { BuildError, type Bytes } from "../../core/index.ts";

/** Undoes gzip or zstd around an archive; what is not compressed passes through. */
export async function* decompressed(data: Bytes): Bytes {
  const { head, whole } = await peek(data, 6);
  const is = (...magic: number[]) => magic.every((byte, i) => head[i] === byte);
  if (is(0x1f, 0x8b)) yield* through(whole, createGunzip());
  else if (is(0x28, 0xb5, 0x2f, 0xfd)) yield* through(whole, createZstdDecompress());
  else if (is(0xfd, 0x37, 0x7a, 0x58, 0x5a)) throw unsupported("xz");
  else if (is(0x42, 0x5a, 0x68)) throw unsupported("bzip2");
  else yield* whole;
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

async function peek(data: Bytes, length: number): Promise<{ head: Buffer; whole: Bytes }> {
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

function unsupported(format: string): BuildError {
  return new BuildError("unimplemented", `archives compressed with ${format} are not supported`, {
    hint: `decompress it first: ${format} -dc FILE | stagewright load`,
  });
}
