import { randomBytes } from "node:crypto";
import { createReadStream, lstatSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Writable } from "node:stream";
import type { ContentStore } from "../content/index.ts";
import { BuildError, type Bytes, type Digest, formatReference, parseReference } from "../core/index.ts";
import { type Image, type ImageDraft, imageFromSnapshot, imageRecordOf } from "../image/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { NameStore } from "../names/index.ts";
import type { Output } from "./output.ts";

export interface ExportStores {
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly names: NameStore;
}

export interface ExportOptions {
  /** Names given by `-t`; added to those of the output. */
  readonly names?: readonly string[];
  /** Where `dest=-` goes. */
  readonly stdout?: Writable;
  /** Relative destinations are below this directory; the current one when left out. */
  readonly cwd?: string;
  readonly signal?: AbortSignal;
}

/** What an export made. `image` is absent for `tar` and `local`, which carry files alone. */
export interface ExportResult {
  readonly image?: Image;
  /** Normalised names of the image. */
  readonly names: readonly string[];
  /** Paths that the destination cannot hold (devices in `local`). */
  readonly skipped: readonly string[];
  /** Content of `--metadata-file`. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Brings the result of a build where `output` says. Files appear whole, by rename. */
export async function exportResult(
  draft: ImageDraft,
  output: Output,
  stores: ExportStores,
  options: ExportOptions = {},
): Promise<ExportResult> {
  if (output.type === "tar" || output.type === "local")
    return await exportFiles(draft, output, stores, options);
  const image = await imageFromSnapshot(draft, stores, options.signal);
  const given = [...(options.names ?? []), ...output.names].map((name) =>
    formatReference(parseReference(name)),
  );
  const names = [...new Set(given)];
  if (output.type === "image") await nameImage(image, names, stores);
  else await exportArchive(image, names, output, stores.content, options);
  return { image, names, skipped: [], metadata: imageMetadata(image, names) };
}

/** A name promises an image that a power failure does not take away, so the image is on disk first. */
async function nameImage(image: Image, names: readonly string[], stores: ExportStores): Promise<void> {
  // The layers' sync covers the whole filesystem: what the content store then flushes is clean already.
  await stores.layers.sync();
  await stores.content.sync();
  const record = imageRecordOf(image);
  if (names.length === 0) await stores.names.set(undefined, record);
  for (const name of names) await stores.names.set(name, record);
}

async function exportArchive(
  image: Image,
  names: readonly string[],
  output: Extract<Output, { type: "oci" | "docker" }>,
  content: ContentStore,
  options: ExportOptions,
): Promise<void> {
  const { replaceFile, saveArchive, writeLayout } = await import("../image/archive/index.ts");
  const images = [{ target: image.target, names }];
  const dest = destination(output.dest, options);
  if (output.type === "oci" && !output.tar) {
    if (lstatSync(dest, { throwIfNoEntry: false })?.isFile())
      throw new BuildError("failed-precondition", `${output.dest} is a file, not a directory`);
    return await writeLayout(dest, images, content, options.signal);
  }
  const archive = saveArchive(images, output.type, content, options.signal);
  if (output.dest === "-") await toStdout(archive, options);
  else {
    checkFile(dest, output.dest);
    await replaceFile(dest, archive);
  }
}

async function exportFiles(
  draft: ImageDraft,
  output: Extract<Output, { type: "tar" | "local" }>,
  stores: ExportStores,
  options: ExportOptions,
): Promise<ExportResult> {
  const rootfs = await stores.layers.rootfs(draft.snapshot);
  const how = {
    ...(draft.epoch === undefined ? {} : { epoch: draft.epoch }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const nothing = { names: [], skipped: [], metadata: {} };
  const dest = destination(output.dest, options);
  if (output.type === "local") {
    const { writeDirectory } = await import("./directory.ts");
    return { ...nothing, skipped: await writeDirectory(rootfs, dest, how) };
  }
  const toStream = output.dest === "-";
  if (!toStream) checkFile(dest, output.dest);
  const file = toStream ? stores.content.temporary() : `${dest}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    if (!toStream) mkdirSync(dirname(dest), { recursive: true });
    const { writeRootfsTar } = await import("./rootfs-tar.ts");
    await writeRootfsTar(rootfs, file, how);
    if (toStream) await toStdout(createReadStream(file), options);
    else renameSync(file, dest);
  } finally {
    rmSync(file, { force: true });
  }
  return nothing;
}

function destination(dest: string, options: ExportOptions): string {
  return resolve(options.cwd ?? process.cwd(), dest);
}

function checkFile(path: string, shown: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new BuildError("failed-precondition", `${shown} is a directory; the output is one file`, {
      hint: "name a file, or use tar=false or type=local for a directory",
    });
}

async function toStdout(data: Bytes, { stdout, signal }: ExportOptions): Promise<void> {
  if (stdout === undefined) throw new BuildError("internal", "dest=- needs a stream to write to");
  const { pipeline } = await import("node:stream/promises");
  await pipeline(data, stdout, { end: false, ...(signal === undefined ? {} : { signal }) });
}

/** As buildx writes it into `--metadata-file`. */
function imageMetadata(image: Image, names: readonly string[]): Readonly<Record<string, unknown>> {
  const { os, architecture, variant } = image.config;
  return {
    "containerimage.config.digest": image.id satisfies Digest,
    "containerimage.descriptor": {
      ...image.manifestDescriptor,
      platform: { architecture, os, ...(variant ? { variant } : {}) },
    },
    "containerimage.digest": image.target.digest,
    ...(names.length === 0 ? {} : { "image.name": names.join(",") }),
  };
}
