import { closeSync, openSync, readSync } from "node:fs";

/** How a file is compressed, by its first bytes. */
export type FileCompression = "gzip" | "zstd" | "bzip2" | "xz";

/** In hex. A zstd file may begin with a frame to be skipped. */
const magics: readonly (readonly [FileCompression, RegExp])[] = [
  ["gzip", /^1f8b08/],
  ["zstd", /^(28b52ffd|5.2a4d18)/],
  ["bzip2", /^425a68/],
  ["xz", /^fd377a585a00/],
];

const magicSize = 6;

/** What a file that begins like this is compressed with; `undefined` when it is not. */
export function fileCompression(start: Uint8Array): FileCompression | undefined {
  const hex = Buffer.from(start.subarray(0, magicSize)).toString("hex");
  return magics.find(([, magic]) => magic.test(hex))?.[0];
}

/** The same of a file of the host. */
export function compressionOfFile(file: string | Buffer): FileCompression | undefined {
  const start = Buffer.alloc(magicSize);
  const fd = openSync(file, "r");
  try {
    return fileCompression(start.subarray(0, readSync(fd, start, 0, magicSize, 0)));
  } finally {
    closeSync(fd);
  }
}

const blockSize = 512;

/** Whether these bytes begin with a tar header whose checksum is right. */
export function isTarHeader(bytes: Uint8Array): boolean {
  if (bytes.length < blockSize) return false;
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, blockSize);
  const recorded = Number.parseInt(
    start
      .toString("latin1", 148, 156)
      .replace(/[\0 ]+/g, " ")
      .trim(),
    8,
  );
  let sum = 8 * 32;
  for (let i = 0; i < blockSize; i++) if (i < 148 || i >= 156) sum += start[i]!;
  return sum === recorded && start.some((byte) => byte !== 0);
}

/** Whether something that begins like this is a tar or compressed, and not a text. */
export function isArchive(start: Uint8Array): boolean {
  return fileCompression(start) !== undefined || isTarHeader(start);
}
