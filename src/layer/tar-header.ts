/**
 * Tar headers as they are written here: ustar where it can say everything, a pax header in front where it cannot
 * (long names and links, large numbers, times before 1970, xattrs). Records have a fixed order, so the same entry always gives
 * the same bytes. Names are bytes; ustar's own fields take them as they are.
 */
import { BuildError, type BytePath, textOf } from "../core/index.ts";
import type { EntryType } from "../snapshot/index.ts";
import type { NewEntry } from "./types.ts";

export const blockSize = 512;

const typeFlags: Readonly<Record<EntryType, number>> = {
  file: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
};

const limits = { name: 100, prefix: 155, id: 0o7777777, size: 0o77777777777, device: 0o7777777 } as const;

/** What goes in front of an entry's content: pax blocks when they are needed, and the header itself. */
export interface EncodedHeader {
  readonly pax: Buffer | undefined;
  /** Writes the 512 bytes of the header. */
  write(target: Buffer, at: number): void;
}

/** Plans the header of an entry whose content has `size` bytes. */
export function encodeHeader(entry: NewEntry, size: number): EncodedHeader {
  const name = archiveName(entry);
  const split = splitName(name);
  const linkname = entry.linkname ?? "";
  const records: string[] = [];
  if (split === undefined) records.push(paxRecord("path", name));
  if (linkname.length > limits.name) records.push(paxRecord("linkpath", linkname));
  if (size > limits.size) records.push(paxRecord("size", String(size)));
  if (entry.uid > limits.id) records.push(paxRecord("uid", String(entry.uid)));
  if (entry.gid > limits.id) records.push(paxRecord("gid", String(entry.gid)));
  if (entry.mtime < 0 || entry.mtime > limits.size) records.push(paxRecord("mtime", String(entry.mtime)));
  for (const [key, value] of [...(entry.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)))
    records.push(paxRecord(`SCHILY.xattr.${key}`, Buffer.from(value).toString("latin1")));
  return {
    pax: records.length === 0 ? undefined : paxBlocks(name, records.join("")),
    write(target, at) {
      const [prefix, rest] = split ?? ["", name.slice(0, limits.name)];
      writeHeader(target, at, {
        name: rest,
        prefix,
        mode: entry.mode & 0o7777,
        uid: fitting(entry.uid, limits.id),
        gid: fitting(entry.gid, limits.id),
        size: fitting(size, limits.size),
        mtime: fitting(entry.mtime, limits.size),
        flag: typeFlags[entry.type],
        linkname: linkname.slice(0, limits.name),
        devMajor: deviceField(entry, entry.devMajor),
        devMinor: deviceField(entry, entry.devMinor),
      });
    },
  };
}

/** The blocks in front of the content of an entry that has `size` bytes of it. */
export function tarHeader(entry: NewEntry, size: number): Buffer {
  const { pax = Buffer.alloc(0), write } = encodeHeader(entry, size);
  const header = Buffer.alloc(pax.length + blockSize);
  header.set(pax);
  write(header, pax.length);
  return header;
}

/** Zeros that fill the last block of a content. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((blockSize - (size % blockSize)) % blockSize);
}

/** The two zero blocks at the end of an archive. */
export const tarEnd: Buffer = Buffer.alloc(2 * blockSize);

interface Fields {
  readonly name: string;
  readonly prefix: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly flag: number;
  readonly linkname: string;
  readonly devMajor: number;
  readonly devMinor: number;
}

function writeHeader(target: Buffer, at: number, fields: Fields): void {
  target.fill(0, at, at + blockSize);
  target.write(fields.name, at, 100, "latin1");
  octal(target, at + 100, 7, fields.mode);
  octal(target, at + 108, 7, fields.uid);
  octal(target, at + 116, 7, fields.gid);
  octal(target, at + 124, 11, fields.size);
  octal(target, at + 136, 11, fields.mtime);
  target[at + 156] = fields.flag;
  if (fields.linkname !== "") target.write(fields.linkname, at + 157, 100, "latin1");
  target.write("ustar\x0000", at + 257, 8, "latin1");
  octal(target, at + 329, 7, fields.devMajor);
  octal(target, at + 337, 7, fields.devMinor);
  if (fields.prefix !== "") target.write(fields.prefix, at + 345, 155, "latin1");
  octal(target, at + 148, 6, checksum(target, at));
  target[at + 155] = 0x20;
}

/** Sum of the header's bytes, the checksum field counted as blanks. */
export function checksum(header: Uint8Array, at: number): number {
  let sum = 8 * 0x20;
  for (let i = at; i < at + 148; i++) sum += header[i]!;
  for (let i = at + 156; i < at + blockSize; i++) sum += header[i]!;
  return sum;
}

function octal(target: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    target[i] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}

function fitting(value: number, limit: number): number {
  return value < 0 || value > limit ? 0 : value;
}

function deviceField(entry: NewEntry, value = 0): number {
  if (value <= limits.device) return value;
  throw new BuildError(
    "invalid-argument",
    `${textOf(entry.path)}: device number ${value} is too large for a tar`,
  );
}

/** Directories end in a slash; the root is "./". */
function archiveName(entry: NewEntry): BytePath {
  if (entry.type !== "directory") return entry.path;
  return entry.path === "" ? "./" : `${entry.path}/`;
}

/** Splits a name over ustar's prefix and name fields; `undefined` when it does not fit. */
function splitName(name: BytePath): readonly [prefix: string, name: string] | undefined {
  if (name.length <= limits.name) return ["", name];
  const slash = name.lastIndexOf("/", Math.min(limits.prefix, name.length - 2));
  return slash <= 0 || name.length - slash - 1 > limits.name
    ? undefined
    : [name.slice(0, slash), name.slice(slash + 1)];
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function paxBlocks(name: BytePath, records: string): Buffer {
  const bytes = Buffer.alloc(blockSize + Math.ceil(records.length / blockSize) * blockSize);
  const base = name.replace(/\/$/, "").split("/").at(-1)!;
  writeHeader(bytes, 0, {
    name: `PaxHeaders.0/${base}`.slice(0, limits.name),
    prefix: "",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: records.length,
    mtime: 0,
    flag: 0x78,
    linkname: "",
    devMajor: 0,
    devMinor: 0,
  });
  bytes.write(records, blockSize, "latin1");
  return bytes;
}
