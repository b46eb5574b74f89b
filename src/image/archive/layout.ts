import { randomBytes } from "node:crypto";
import { mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ContentStore } from "../../content/index.ts";
import type { Bytes } from "../../core/index.ts";
import { type ArchiveImage, type Member, membersOf } from "./save.ts";

/**
 * Writes images as an OCI layout into a directory, which may hold a layout already: its other blobs stay, its index is
 * replaced last, when everything that it names is there.
 */
export async function writeLayout(
  directory: string,
  images: readonly ArchiveImage[],
  content: ContentStore,
  signal?: AbortSignal,
): Promise<void> {
  for (const member of membersOf(images, "oci", content)) {
    signal?.throwIfAborted();
    const file = join(directory, member.path);
    if (member.kind === "blob" && statSync(file, { throwIfNoEntry: false })?.size === member.size) continue;
    await replaceFile(file, dataOf(member, content, signal));
  }
}

async function* dataOf(member: Member, content: ContentStore, signal: AbortSignal | undefined): Bytes {
  if (member.kind === "bytes") yield member.bytes;
  else yield* content.open(member, signal);
}

/** Writes a file whole under another name, then renames it. Directories are made. */
export async function replaceFile(path: string, data: Bytes): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o644);
    try {
      for await (const chunk of data) await file.writeFile(chunk);
    } finally {
      await file.close();
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
