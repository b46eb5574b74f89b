import { createHash, hash } from "node:crypto";
import { closeSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { BuildError, type BytePath, textOf, writeFully } from "../core/index.ts";
import { createIndexBuilder } from "../snapshot/index.ts";
import { blockSize, encodeHeader } from "./tar-header.ts";
import type { FileContent, LayerWriter, LayerWriterOptions, NewEntry, PackedLayer } from "./types.ts";

/** Fits the second-level cache, so that what was just read is hashed and written from there. */
const bufferSize = 1 << 19;

/** What is read at once of a shared tar whose files are taken one after the other. */
const aheadSize = 1 << 18;

const empty: FileContent = { kind: "bytes", bytes: new Uint8Array(0) };

/** Starts a layer. The files are created at once and belong to the caller after `finish`. */
export function openLayerWriter(options: LayerWriterOptions): LayerWriter {
  const { file, indexFile = `${file}.index`, digests = false } = options;
  const index = createIndexBuilder();
  const out = openOutput(file);
  let last: Uint8Array | undefined;

  function add(entry: NewEntry, content: FileContent = empty): void {
    const size = content.kind === "bytes" ? content.bytes.length : content.size;
    if (size !== 0 && entry.type !== "file")
      throw new BuildError("internal", `${textOf(entry.path)}: a ${entry.type} has no content`);
    const header = encodeHeader(entry, size);
    if (header.pax !== undefined) out.put(header.pax);
    header.write(out.room(blockSize, size), out.taken(blockSize));
    const position = out.position();
    const digest = entry.type === "file" ? out.content(entry.path, content, digests) : undefined;
    last = digest;
    index.add({ ...entry, size, position }, digest);
  }

  function hidden(path: BytePath, name: string): void {
    const entry = { path: name, type: "file", mode: 0, uid: 0, gid: 0, mtime: 0 } as const;
    const header = encodeHeader(entry, 0);
    if (header.pax !== undefined) out.put(header.pax);
    header.write(out.room(blockSize, 0), out.taken(blockSize));
    if (name.endsWith("/.wh..wh..opq") || name === ".wh..wh..opq") index.opaque(path);
    else index.whiteout(path);
  }

  return {
    add,
    lastDigest() {
      if (last === undefined) throw new BuildError("internal", "no digest: the last entry is not a file");
      return last;
    },
    whiteout(path) {
      const slash = path.lastIndexOf("/") + 1;
      hidden(path, `${path.slice(0, slash)}.wh.${path.slice(slash)}`);
    },
    opaque: (path) => hidden(path, path === "" ? ".wh..wh..opq" : `${path}/.wh..wh..opq`),
    finish(): PackedLayer {
      const { diffId, size } = out.finish();
      const { bytes, ...summary } = index.finish();
      writeFileSync(indexFile, bytes);
      return { file, indexFile, diffId, size, ...summary };
    },
    abort() {
      out.close();
      rmSync(file, { force: true });
      rmSync(indexFile, { force: true });
    },
  };
}

/** The tar file behind one buffer; every byte is hashed once, when the buffer is written. */
function openOutput(file: string) {
  const fd = openSync(file, "w", 0o644);
  const buffer = Buffer.allocUnsafeSlow(bufferSize);
  const diffId = createHash("sha256");
  let used = 0;
  let flushed = 0;
  let open = true;
  const ahead = openReadAhead();

  function flush(): void {
    const bytes = buffer.subarray(0, used);
    diffId.update(bytes);
    writeFully(fd, bytes);
    flushed += used;
    used = 0;
  }

  /** Makes room for `size` bytes, and preferably for `more` after them. */
  function room(size: number, more: number): Buffer {
    const wanted = size + more;
    if (used + (wanted <= bufferSize ? wanted : size) > bufferSize) flush();
    return buffer;
  }

  /** Takes `size` bytes of the room; returns where they start. */
  function taken(size: number): number {
    used += size;
    return used - size;
  }

  function put(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      if (used === bufferSize) flush();
      const part = bytes.subarray(done, done + bufferSize - used);
      buffer.set(part, used);
      used += part.length;
      done += part.length;
    }
  }

  function pad(): void {
    const missing = (blockSize - (used % blockSize)) % blockSize; // whole blocks are flushed, so `used` tells
    buffer.fill(0, used, used + missing);
    used += missing;
  }

  /** Copies a file's content and pads it; returns its digest when it is wanted. */
  function content(path: BytePath, source: FileContent, digests: boolean): Uint8Array | undefined {
    const size = source.kind === "bytes" ? source.bytes.length : source.size;
    const hashing = digests && source.sha256 === undefined;
    const inOnePiece = used + size <= bufferSize;
    const state = hashing && !inOnePiece ? createHash("sha256") : undefined;
    const start = used;
    let done = 0;
    while (done < size) {
      if (used === bufferSize) flush();
      const length = Math.min(size - done, bufferSize - used);
      if (source.kind === "bytes") buffer.set(source.bytes.subarray(done, done + length), used);
      else readInto(path, source, done, length);
      state?.update(buffer.subarray(used, used + length));
      used += length;
      done += length;
    }
    let digest = digests ? source.sha256 : undefined;
    if (state !== undefined) digest = state.digest();
    else if (hashing) digest = hash("sha256", wholeOf(source, start, size), "buffer");
    pad();
    return digest;
  }

  function wholeOf(source: FileContent, start: number, size: number): Uint8Array {
    return source.kind === "bytes" ? source.bytes : buffer.subarray(start, start + size);
  }

  function readInto(
    path: BytePath,
    source: FileContent & { kind: "fd" },
    from: number,
    length: number,
  ): void {
    const start = source.position === undefined ? undefined : source.position + from;
    if (source.shared && start !== undefined && ahead.copy(source.fd, start, buffer, used, length)) return;
    for (let done = 0; done < length; ) {
      const position = start === undefined ? null : start + done;
      const count = readSync(source.fd, buffer, used + done, length - done, position);
      if (count === 0)
        throw new BuildError(
          "failed-precondition",
          `${textOf(path)} changed while it was read: ${from + done} bytes instead of ${source.size}`,
        );
      done += count;
    }
  }

  function close(): void {
    if (open) closeSync(fd);
    open = false;
  }

  return {
    room,
    taken,
    put,
    content,
    close,
    position: () => flushed + used,
    finish() {
      put(new Uint8Array(2 * blockSize));
      flush();
      close();
      return { diffId: `sha256:${diffId.digest("hex")}` as const, size: flushed };
    },
  };
}

/** Serves small reads that follow each other from one large read. */
function openReadAhead() {
  let window: Buffer | undefined;
  let descriptor = -1;
  let start = 0;
  let end = 0;
  let expected = -1;
  return {
    /** Copies `length` bytes into `target`; `false` when the caller had better read them itself. */
    copy(fd: number, position: number, target: Buffer, at: number, length: number): boolean {
      const follows = fd === descriptor && position >= expected && position - expected < aheadSize / 4;
      if (fd !== descriptor) end = start;
      descriptor = fd;
      expected = position + length;
      if (length > aheadSize / 4) return false;
      if (position < start || expected > end) {
        if (!follows) return false;
        window ??= Buffer.allocUnsafeSlow(aheadSize);
        start = position;
        end = position + readSync(fd, window, 0, aheadSize, position);
        if (expected > end) return false;
      }
      window!.copy(target, at, position - start, expected - start);
      return true;
    },
  };
}
