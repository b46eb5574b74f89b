import { Buffer } from "node:buffer";

/**
 * A small reader and writer of tar, apart from the product's own: what judges the product must not share its mistakes.
 * Names are strings of bytes (latin1).
 */

export type TarType = "file" | "directory" | "symlink" | "hardlink" | "char" | "block" | "fifo";

export interface TarEntry {
  /** Without leading `./` or `/` and trailing slash; the root is `""`. */
  readonly path: string;
  readonly type: TarType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  readonly linkname: string;
  readonly device: string;
  readonly xattrs: Readonly<Record<string, Buffer>>;
  readonly data: Buffer;
}

const types: Readonly<Record<string, TarType>> = {
  "0": "file",
  "\0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};
const flags = Object.fromEntries(Object.entries(types).map(([flag, type]) => [type, flag])) as Record<
  TarType,
  string
>;

/** Reads a whole archive; throws on types and extensions that it does not know. */
export function readTar(archive: Buffer): TarEntry[] {
  const entries: TarEntry[] = [];
  let extended = new Map<string, Buffer>();
  let longName: string | undefined;
  let longLink: string | undefined;
  for (let at = 0; at + 512 <= archive.length; ) {
    const header = archive.subarray(at, at + 512);
    if (header.every((byte) => byte === 0)) break;
    const field = (from: number, length: number) => text(header, from, length);
    const pax = (key: string) => extended.get(key)?.toString("latin1");
    const size = Number(pax("size") ?? number(header, 124, 12));
    const data = archive.subarray(at + 512, at + 512 + size);
    if (data.length !== size) throw new Error(`tar: truncated at ${at}`);
    at += 512 + Math.ceil(size / 512) * 512;
    const flag = String.fromCharCode(header[156]!);
    if (flag === "x") extended = paxRecords(data);
    else if (flag === "L") longName = text(data, 0, data.length);
    else if (flag === "K") longLink = text(data, 0, data.length);
    else if (flag !== "g") {
      const type = types[flag];
      if (type === undefined) throw new Error(`tar: entry type ${JSON.stringify(flag)} is not known`);
      const prefix = field(257, 5) === "ustar" && header[262] === 0 ? field(345, 155) : "";
      const name = pax("path") ?? longName ?? (prefix === "" ? field(0, 100) : `${prefix}/${field(0, 100)}`);
      entries.push({
        path: cleanPath(name),
        type,
        mode: number(header, 100, 8) & 0o7777,
        uid: Number(pax("uid") ?? number(header, 108, 8)),
        gid: Number(pax("gid") ?? number(header, 116, 8)),
        mtime: Math.floor(Number(pax("mtime") ?? number(header, 136, 12))),
        linkname: pax("linkpath") ?? longLink ?? field(157, 100),
        device:
          type === "char" || type === "block" ? `${number(header, 329, 8)}:${number(header, 337, 8)}` : "",
        xattrs: xattrsOf(extended),
        data: type === "file" ? data : Buffer.alloc(0),
      });
      extended = new Map();
      longName = longLink = undefined;
    }
  }
  return entries;
}

/** `./a//b/` → `a/b`. */
export function cleanPath(name: string): string {
  return name
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}

function paxRecords(data: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const length = Number(data.toString("latin1", at, space));
    if (!(length > 0)) throw new Error("tar: malformed PAX record");
    const equals = data.indexOf(0x3d, space);
    records.set(data.toString("latin1", space + 1, equals), data.subarray(equals + 1, at + length - 1));
    at += length;
  }
  return records;
}

const xattrPrefix = "SCHILY.xattr.";

function xattrsOf(records: ReadonlyMap<string, Buffer>): Record<string, Buffer> {
  const found = [...records].filter(([key]) => key.startsWith(xattrPrefix));
  return Object.fromEntries(found.map(([key, value]) => [key.slice(xattrPrefix.length), value]));
}

function text(from: Buffer, at: number, length: number): string {
  const field = from.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString("latin1", 0, end < 0 ? length : end);
}

function number(header: Buffer, at: number, length: number): number {
  // The high bit marks GNU's binary form, which large sizes have.
  if (header[at]! & 0x80) return Number(BigInt(`0x${header.toString("hex", at + 4, at + length)}`));
  return Number.parseInt(text(header, at, length).trim() || "0", 8);
}

export type TarInput = Partial<TarEntry> & Pick<TarEntry, "path" | "type">;

/** Writes an archive; what an entry leaves out is root's, 0644 or 0755, at the epoch. */
export function writeTar(entries: readonly TarInput[]): Buffer {
  const blocks = entries.flatMap((entry) => {
    const extended = paxFor(entry);
    const data = entry.data ?? Buffer.alloc(0);
    return extended.length === 0
      ? [headerFor(entry, flags[entry.type], data.length), padded(data)]
      : [
          headerFor({ path: "pax", type: "file" }, "x", extended.length),
          padded(extended),
          headerFor(entry, flags[entry.type], data.length),
          padded(data),
        ];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function paxFor(entry: TarInput): Buffer {
  const records = Object.entries(entry.xattrs ?? {}).map(([key, value]) =>
    paxRecord(`${xattrPrefix}${key}`, value),
  );
  if (needsPax(entry.path)) records.unshift(paxRecord("path", Buffer.from(entry.path, "latin1")));
  return Buffer.concat(records);
}

function needsPax(path: string): boolean {
  return path.length > 99 || [...path].some((char) => char.charCodeAt(0) > 126);
}

function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function headerFor(entry: TarInput, flag: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number) =>
    header.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  const directory = entry.type === "directory";
  header.write(`${entry.path.slice(0, 99)}${directory ? "/" : ""}`, 0, 100, "latin1");
  octal(entry.mode ?? (directory ? 0o755 : 0o644), 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(entry.gid ?? 0, 116, 8);
  octal(size, 124, 12);
  octal(entry.mtime ?? 0, 136, 12);
  header.write(flag, 156, "latin1");
  header.write(entry.linkname ?? "", 157, 100, "latin1");
  header.write("ustar\0" + "00", 257, "latin1");
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

function padded(data: Buffer): Buffer {
  const rest = data.length % 512;
  return rest === 0 ? data : Buffer.concat([data, Buffer.alloc(512 - rest)]);
}
