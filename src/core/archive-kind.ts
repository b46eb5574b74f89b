/** How a file is compressed, by its first bytes. */
export type FileCompression = "gzip" | "zstd" | "bzip2" | "xz";

const magics: readonly (readonly [FileCompression, string])[] = [
  ["gzip", "1f8b08"],
  ["zstd", "28b52ffd"],
  ["bzip2", "425a68"],
  ["xz", "fd377a585a00"],
];

/** What a file that begins like this is compressed with; `undefined` when it is not. */
export function fileCompression(start: Uint8Array): FileCompression | undefined {
  const hex = Buffer.from(start.subarray(0, 6)).toString("hex");
  return magics.find(([, magic]) => hex.startsWith(magic))?.[0];
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
