import { createWriteStream, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { ContentStore } from "../../content/index.ts";
import { type Bytes, makeDirectories, replaceFileBy } from "../../core/index.ts";
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
    makeDirectories(dirname(file));
    await replaceFileWith(file, dataOf(member, content, signal));
  }
}

async function* dataOf(member: Member, content: ContentStore, signal: AbortSignal | undefined): Bytes {
  if (member.kind === "bytes") yield member.bytes;
  else yield* content.open(member, signal);
}

/** Writes a file whole or not at all. */
export function replaceFileWith(file: string, data: Bytes): Promise<void> {
  return replaceFileBy(file, (temporary) => pipeline(data, createWriteStream(temporary, { flags: "wx" })));
}
