/**
 * Reads the members of an uncompressed tar: ustar, pax, GNU and v7 headers. It reads as Go's archive/tar does where readers
 * differ (sizes of links are ignored, pax wins over GNU long names, global pax headers are skipped), because that is what
 * everything else that handles images uses: an archive must not mean one thing here and another there.
 */
import { BuildError, type BytePath, textOf } from "../core/index.ts";
import { blockSize, checksum } from "./tar-header.ts";

/** Random access to a tar. `read` fills `target` from `position` and returns how many bytes there were. */
export interface TarSource {
  readonly size: number;
  read(target: Buffer, position: number): number;
}

/** A member as the archive has it: names are not cleaned yet. */
export interface TarMember {
  readonly name: BytePath;
  readonly linkname: BytePath;
  /** The type flag's character; `0` for files, whatever the archive calls them. */
  readonly flag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array> | undefined;
  /** Where the content starts. */
  readonly position: number;
}

/** As Go's reader: no pax header or long name is larger. */
const extensionLimit = 1 << 20;
const windowSize = 1 << 18;
/** Types that have no content, whatever their size field says. */
const headerOnly = "123456";
const fileFlags = "\x0007";

/** What the headers in front of a member say about it. */
interface Extensions {
  pax: Map<string, string>;
  longName?: string;
  longLink?: string;
}

/** A source over bytes in memory. */
export function bytesSource(bytes: Uint8Array): TarSource {
  return {
    size: bytes.length,
    read(target, position) {
      const part = bytes.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
  };
}

/** Every member in the archive's order. Throws `invalid-argument` that names the entry where the archive is broken. */
export function* readTar(source: TarSource): Generator<TarMember> {
  const block = openWindow(source);
  let extensions: Extensions = { pax: new Map() };
  let last = "";
  let position = 0;
  while (position < source.size) {
    const header = block(position, blockSize, last);
    if (isZero(header)) {
      const next = position + blockSize;
      if (next < source.size && !isZero(block(next, blockSize, last)))
        throw damaged(last, "an empty header in the middle of the archive");
      return;
    }
    const member = decode(header, position + blockSize, last);
    if (member.size < 0) throw damaged(member.name, `its size is negative (${member.size})`);
    if ("xgLK".includes(member.flag)) {
      const content = extension(source, member);
      if (member.flag === "x") extensions.pax = parsePax(content, member.name);
      else if (member.flag === "L") extensions.longName = withoutZeros(content);
      else if (member.flag === "K") extensions.longLink = withoutZeros(content);
    } else {
      const complete = extended(member, extensions);
      extensions = { pax: new Map() };
      last = complete.name;
      if (complete.position + complete.size > source.size)
        throw damaged(complete.name, `the archive ends within it (${complete.size} bytes expected)`);
      yield complete;
      position = complete.position + padded(complete.size);
      continue;
    }
    last = member.name;
    position = member.position + padded(member.size);
  }
}

/** Reads small pieces through a window, so that headers close together cost one read. */
function openWindow(source: TarSource): (position: number, length: number, last: string) => Buffer {
  const window = Buffer.allocUnsafeSlow(windowSize);
  let start = 0;
  let end = 0;
  return (position, length, last) => {
    if (position < start || position + length > end) {
      start = position;
      end = position;
      for (let count = -1; count !== 0 && end - start < length; ) {
        count = source.read(window.subarray(end - start), end);
        end += count;
      }
      if (end - start < length) throw damaged(last, "the archive ends in the middle of a header");
    }
    return window.subarray(position - start, position - start + length);
  };
}

function extension(source: TarSource, member: TarMember): string {
  if (member.size > extensionLimit)
    throw damaged(member.name, `an extended header of ${member.size} bytes (limit ${extensionLimit})`);
  const bytes = Buffer.alloc(member.size);
  for (let done = 0; done < bytes.length; ) {
    const count = source.read(bytes.subarray(done), member.position + done);
    if (count === 0) throw damaged(member.name, "the archive ends within an extended header");
    done += count;
  }
  return bytes.toString("latin1");
}

function decode(header: Buffer, position: number, last: string): TarMember {
  const sum = number(header, 148, 8, "checksum", last);
  if (sum !== checksum(header, 0) && sum !== signedChecksum(header))
    throw damaged(last, "what follows it is not a tar header (wrong checksum)");
  const raw = String.fromCharCode(header[156]!);
  const name = fullName(header);
  const isOldDirectory = raw === "\0" && name.endsWith("/");
  const flag = isOldDirectory ? "5" : fileFlags.includes(raw) ? "0" : raw;
  const field = (at: number, length: number, what: string) => number(header, at, length, what, name);
  const isDevice = flag === "3" || flag === "4";
  return {
    name,
    linkname: text(header, 157, 100),
    flag,
    mode: field(100, 8, "mode") & 0o7777,
    uid: field(108, 8, "uid"),
    gid: field(116, 8, "gid"),
    size: headerOnly.includes(flag) ? 0 : field(124, 12, "size"),
    mtime: field(136, 12, "mtime"),
    devMajor: isDevice ? field(329, 8, "device number") : 0,
    devMinor: isDevice ? field(337, 8, "device number") : 0,
    xattrs: undefined,
    position,
  };
}

/** Joins ustar's prefix and name; GNU and v7 headers have other things where the prefix is. */
function fullName(header: Buffer): string {
  const name = text(header, 0, 100);
  if (header.toString("latin1", 257, 263) !== "ustar\0") return name;
  const isStar = header.toString("latin1", 508, 512) === "tar\0";
  const prefix = text(header, 345, isStar ? 131 : 155);
  return prefix === "" ? name : `${prefix}/${name}`;
}

function extended(member: TarMember, { pax, longName, longLink }: Extensions): TarMember {
  if (member.flag === "S" || [...pax.keys()].some((key) => key.startsWith("GNU.sparse.")))
    throw new BuildError(
      "unimplemented",
      `tar entry ${textOf(member.name)}: sparse files are not supported`,
      {
        hint: "make the archive without --sparse",
      },
    );
  if (pax.size === 0 && longName === undefined && longLink === undefined) return member;
  const name = pax.get("path") ?? longName ?? member.name;
  const integer = (key: string, value: number): number => {
    const given = pax.get(key);
    if (given === undefined) return value;
    const parsed = Math.floor(Number(given));
    if (given.trim() === "" || !Number.isSafeInteger(parsed)) throw damaged(name, `pax ${key} is ${given}`);
    return parsed;
  };
  const size = headerOnly.includes(member.flag) ? 0 : integer("size", member.size);
  if (size < 0) throw damaged(name, `its size is negative (${size})`);
  return {
    ...member,
    name,
    linkname: pax.get("linkpath") ?? longLink ?? member.linkname,
    uid: integer("uid", member.uid),
    gid: integer("gid", member.gid),
    mtime: integer("mtime", member.mtime),
    devMajor: integer("SCHILY.devmajor", member.devMajor),
    devMinor: integer("SCHILY.devminor", member.devMinor),
    size,
    xattrs: xattrsOf(pax),
  };
}

function xattrsOf(pax: ReadonlyMap<string, string>): Map<string, Uint8Array> | undefined {
  const prefix = "SCHILY.xattr.";
  const found = [...pax].filter(([key]) => key.startsWith(prefix));
  if (found.length === 0) return undefined;
  return new Map(found.map(([key, value]) => [key.slice(prefix.length), Buffer.from(value, "latin1")]));
}

/** `<length> <key>=<value>\n`, again and again. An empty value takes the key back. */
function parsePax(content: string, name: string): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(" ", at);
    const digits = content.slice(at, space);
    const end = at + Number(digits);
    const equals = content.indexOf("=", space);
    if (space < 0 || !/^\d{1,8}$/.test(digits) || end > content.length || content[end - 1] !== "\n")
      throw damaged(name, "a malformed pax record");
    if (equals < 0 || equals >= end) throw damaged(name, "a pax record without a value");
    const key = content.slice(space + 1, equals);
    const value = content.slice(equals + 1, end - 1);
    if (["path", "linkpath"].includes(key) && value.includes("\0"))
      throw damaged(name, `pax ${key} has a zero byte`);
    if (value === "" && !key.startsWith("SCHILY.xattr.")) records.delete(key);
    else records.set(key, value);
    at = end;
  }
  return records;
}

/** A number in octal, or in base 256 when the first bit is set. */
function number(header: Buffer, at: number, length: number, what: string, name: string): number {
  const first = header[at]!;
  if (first & 0x80) {
    let value = first & 0x40 ? -1n : 0n;
    value = (value << 6n) | BigInt(first & 0x3f);
    for (let i = 1; i < length; i++) value = (value << 8n) | BigInt(header[at + i]!);
    if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER)
      throw damaged(name, `its ${what} is out of range`);
    return Number(value);
  }
  let value = 0;
  let i = at;
  while (i < at + length && header[i] === 0x20) i++;
  for (; i < at + length && header[i]! >= 0x30 && header[i]! <= 0x37; i++)
    value = value * 8 + header[i]! - 0x30;
  if (i < at + length && header[i] !== 0 && header[i] !== 0x20)
    throw damaged(name, `its ${what} is ${JSON.stringify(text(header, at, length))}`);
  return value;
}

function text(header: Buffer, at: number, length: number): string {
  const end = header.indexOf(0, at);
  return header.toString("latin1", at, end < 0 || end > at + length ? at + length : end);
}

function signedChecksum(header: Buffer): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < blockSize; i++) if (i < 148 || i >= 156) sum += header.readInt8(i);
  return sum;
}

const zeros = Buffer.alloc(blockSize);

function isZero(block: Buffer): boolean {
  return block[0] === 0 && block.equals(zeros);
}

function withoutZeros(content: string): string {
  return content.replace(/\0.*$/s, "");
}

function padded(size: number): number {
  return Math.ceil(size / blockSize) * blockSize;
}

function damaged(name: string, what: string): BuildError {
  const where = name === "" ? "at its start" : `at entry ${textOf(name)}`;
  return new BuildError("invalid-argument", `damaged tar archive ${where}: ${what}`);
}
