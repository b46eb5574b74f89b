import { BuildError, type Bytes } from "../../core/index.ts";

const blockSize = 512;
/** Long names and PAX records of an image archive are short; more than this is an attack. */
const headerDataLimit = 1024 * 1024;

/** One member of an archive. `data` must be read to its end before the next member is asked for. */
export interface TarMember {
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "hardlink" | "other";
  readonly linkname: string;
  readonly size: number;
  readonly data: Bytes;
}

/**
 * Reads the outer tar of an image archive: ustar, GNU long names and PAX paths. Layers inside are not looked at.
 * Throws `invalid-argument` on anything that is no tar, and when it ends too early.
 */
export async function* readTar(data: Bytes): AsyncGenerator<TarMember> {
  const reader = blockReader(data);
  let overrides: Overrides = {};
  for (let isFirst = true; ; isFirst = false) {
    const header = await reader.block();
    if (header === undefined || header.every((byte) => byte === 0)) {
      if (isFirst) throw notTar("it is empty");
      break;
    }
    const member = parseHeader(header);
    if (isHeaderExtension(member.flag)) {
      const content = await reader.small(member.size);
      overrides = extend(overrides, member.flag, content);
      continue;
    }
    const size = overrides.size ?? member.size;
    const body = reader.body(size);
    yield {
      path: overrides.path ?? member.path,
      linkname: overrides.linkname ?? member.linkname,
      type: typeOf(member.flag, overrides.path ?? member.path),
      size,
      data: body,
    };
    for await (const _ of body); // whatever the caller left
    await reader.skipPadding(size);
    overrides = {};
  }
  await reader.drain();
}

interface Overrides {
  readonly path?: string;
  readonly linkname?: string;
  readonly size?: number;
}

function isHeaderExtension(flag: string): boolean {
  return flag === "L" || flag === "K" || flag === "x" || flag === "g";
}

function extend(overrides: Overrides, flag: string, content: Buffer): Overrides {
  if (flag === "g") return overrides;
  const text = content.toString("utf8");
  const upToNull = text.split("\0", 1)[0] ?? "";
  if (flag === "L") return { ...overrides, path: upToNull };
  if (flag === "K") return { ...overrides, linkname: upToNull };
  return { ...overrides, ...parsePax(content) };
}

function parsePax(content: Buffer): Overrides {
  let found: Overrides = {};
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(content.toString("latin1", at, space));
    if (!Number.isInteger(length) || length <= space - at || at + length > content.length)
      throw notTar("a PAX record is malformed");
    const [key = "", ...rest] = content.toString("utf8", space + 1, at + length - 1).split("=");
    const value = rest.join("=");
    if (key === "path") found = { ...found, path: value };
    else if (key === "linkpath") found = { ...found, linkname: value };
    else if (key === "size") found = { ...found, size: checkedSize(Number(value)) };
    at += length;
  }
  return found;
}

function typeOf(flag: string, path: string): TarMember["type"] {
  if (flag === "0" || flag === "\0" || flag === "7") return path.endsWith("/") ? "directory" : "file";
  if (flag === "5") return "directory";
  if (flag === "2") return "symlink";
  return flag === "1" ? "hardlink" : "other";
}

function parseHeader(block: Buffer) {
  const stored = Number.parseInt(text(block, 148, 8).trim(), 8);
  let sum = 0;
  for (let i = 0; i < blockSize; i++) sum += i >= 148 && i < 156 ? 32 : block[i]!;
  if (sum !== stored) throw notTar("a header's checksum is wrong");
  const prefix = text(block, 257, 5) === "ustar" && block[262] === 0 ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  const flag = String.fromCharCode(block[156]!);
  const sized = flag !== "1" && flag !== "2" && flag !== "5";
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    linkname: text(block, 157, 100),
    flag,
    size: sized ? checkedSize(number(block, 124, 12)) : 0,
  };
}

function text(block: Buffer, start: number, length: number): string {
  const end = block.indexOf(0, start);
  return block.toString("utf8", start, end < 0 || end > start + length ? start + length : end);
}

function number(block: Buffer, start: number, length: number): number {
  if (block[start] !== 0x80) return Number.parseInt(text(block, start, length).trim() || "0", 8);
  let value = 0;
  for (let i = start + 1; i < start + length; i++) value = value * 256 + block[i]!;
  return value;
}

function checkedSize(size: number): number {
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw notTar("a member's size is out of range");
}

function notTar(detail: string): BuildError {
  return new BuildError("invalid-argument", `not an image archive: ${detail}`, {
    hint: "load takes what `docker save` and `skopeo copy … oci-archive:` write; a root filesystem is for import",
  });
}

/** Cuts a stream into what the tar format needs. */
function blockReader(data: Bytes) {
  const source = data[Symbol.asyncIterator]();
  let pending: Uint8Array = new Uint8Array(0);
  const refill = async (): Promise<boolean> => {
    while (pending.length === 0) {
      const next = await source.next();
      if (next.done) return false;
      pending = next.value;
    }
    return true;
  };
  const take = async (limit: number): Promise<Uint8Array | undefined> => {
    if (!(await refill())) return undefined;
    const piece = pending.subarray(0, limit);
    pending = pending.subarray(piece.length);
    return piece;
  };
  const exactly = async (length: number): Promise<Buffer> => {
    const pieces: Uint8Array[] = [];
    for (let left = length; left > 0; ) {
      const piece = await take(left);
      if (piece === undefined) throw notTar("it ends too early");
      pieces.push(piece);
      left -= piece.length;
    }
    return pieces.length === 1 ? Buffer.from(pieces[0]!) : Buffer.concat(pieces, length);
  };
  const skipPadding = async (size: number): Promise<void> => {
    const padding = (blockSize - (size % blockSize)) % blockSize;
    if (padding > 0) await exactly(padding);
  };
  async function* body(size: number): Bytes {
    for (let left = size; left > 0; ) {
      const piece = await take(left);
      if (piece === undefined) throw notTar("it ends too early");
      left -= piece.length;
      yield piece;
    }
  }
  return {
    block: async () => ((await refill()) ? await exactly(blockSize) : undefined),
    async small(size: number) {
      if (size > headerDataLimit) throw notTar("a long name is longer than any name");
      const content = await exactly(size);
      await skipPadding(size);
      return content;
    },
    body,
    skipPadding,
    async drain() {
      while ((await take(Number.MAX_SAFE_INTEGER)) !== undefined);
    },
  };
}
