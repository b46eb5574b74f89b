import { lstatSync } from "node:fs";
import { dirname } from "node:path";
import type { ContentStore } from "../content/index.ts";
import {
  BuildError,
  type Digest,
  formatReference,
  hostPlatform,
  makeDirectories,
  parseReference,
  platformMatches,
} from "../core/index.ts";
import { imageRecordOf } from "../image/index.ts";
import type { NewImageRecord } from "../names/index.ts";
import { type CommittedImage, commitImage, type ExportSource, platformObject } from "./commit.ts";
import { checkFile, destination, type ExportOptions, type ExportStores, toStdout } from "./destination.ts";
import type { Output } from "./output.ts";

/** What an export made. `image` is absent for outputs that carry files alone. */
export interface ExportResult {
  readonly image?: CommittedImage;
  /** Normalised names of the image. */
  readonly names: readonly string[];
  /** Paths that the destination cannot hold (devices in `local`). */
  readonly skipped: readonly string[];
  /** Content of `--metadata-file`. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Brings the result of a build where `output` says. Files appear whole, by rename. */
export async function exportResult(
  source: ExportSource,
  output: Output,
  stores: ExportStores,
  options: ExportOptions = {},
): Promise<ExportResult> {
  if (output.type === "cacheonly") return { names: [], skipped: [], metadata: {} };
  if (output.type === "tar" || output.type === "local") {
    const { exportFiles } = await import("./files.ts");
    return { names: [], skipped: await exportFiles(source, output, stores, options), metadata: {} };
  }
  const loaded = output.type === "docker" && output.dest === undefined;
  if (output.type === "docker" && !loaded) refuseIndex(source);
  const { annotations = [], signal } = options;
  const image = await commitImage(source, output.image ?? {}, annotations, stores, signal);
  const names = namesFor(output, options);
  if (loaded) await keepUnnamed(image, stores);
  else if (output.type !== "image") await exportArchive(image, names, output, stores.content, options);
  else if (output.push?.byDigest || output.store === false) await keepUnnamed(image, stores);
  else await nameImage(image, names, stores);
  return { image, names, skipped: [], metadata: imageMetadata(image, names) };
}

/** Names of the output and of `-t`, each once. What is pushed by digest has those of its output: `-t` has tags. */
function namesFor(output: Extract<Output, { names: readonly string[] }>, options: ExportOptions): string[] {
  const byDigest = output.type === "image" && output.push?.byDigest;
  const given =
    byDigest && output.names.length > 0 ? output.names : [...(options.names ?? []), ...output.names];
  return [...new Set(given.map((name) => formatReference(parseReference(name))))];
}

function refuseIndex({ index }: ExportSource): void {
  if (index)
    throw new BuildError(
      "invalid-argument",
      "docker exporter does not support exporting manifest lists, use the oci exporter instead",
      { hint: "write type=oci, or build for one platform" },
    );
}

/** A name promises an image that a power failure does not take away, so the image is on disk first. */
async function nameImage(
  image: CommittedImage,
  names: readonly string[],
  stores: ExportStores,
): Promise<void> {
  // The layers' sync covers the whole filesystem: what the content store then flushes is clean already.
  await stores.layers.sync();
  await stores.content.sync();
  const record = recordOf(image);
  if (names.length === 0) await stores.names.set(undefined, record);
  for (const name of names) await stores.names.set(name, record);
}

/** An image that goes elsewhere is kept until the next prune, so that a second time sends nothing. */
function keepUnnamed(image: CommittedImage, stores: ExportStores): Promise<void> {
  return nameImage(image, [], stores);
}

/** An index is used by the manifest for this machine, or by its first one. */
function recordOf({ target, images, platforms }: CommittedImage): NewImageRecord {
  const own = platforms.findIndex((platform) => platformMatches(platform, hostPlatform()));
  const image = images[Math.max(0, own)]!;
  return { ...imageRecordOf(image), target };
}

async function exportArchive(
  { target }: CommittedImage,
  names: readonly string[],
  output: Extract<Output, { type: "oci" | "docker" }>,
  content: ContentStore,
  options: ExportOptions,
): Promise<void> {
  const { replaceFileWith, saveArchive, writeLayout } = await import("../image/archive/index.ts");
  const images = [{ target, names }];
  const { dest: given = "-" } = output;
  const dest = destination(given, options);
  if (output.type === "oci" && !output.tar) {
    if (lstatSync(dest, { throwIfNoEntry: false })?.isFile())
      throw new BuildError("failed-precondition", `${output.dest} is a file, not a directory`);
    return await writeLayout(dest, images, content, options.signal);
  }
  const archive = saveArchive(images, output.type, content, options.signal);
  if (given === "-") await toStdout(archive, options);
  else {
    checkFile(dest, given);
    makeDirectories(dirname(dest));
    await replaceFileWith(dest, archive);
  }
}

/** As buildx writes it into `--metadata-file`. An index has no configuration of its own. */
function imageMetadata(
  { target, images, platforms }: CommittedImage,
  names: readonly string[],
): Readonly<Record<string, unknown>> {
  const [image] = images;
  const single = image !== undefined && target.digest === image.manifestDescriptor.digest;
  return {
    ...(single ? { "containerimage.config.digest": image.id satisfies Digest } : {}),
    "containerimage.descriptor": single ? { ...target, platform: platformObject(platforms[0]!) } : target,
    "containerimage.digest": target.digest,
    ...(names.length === 0 ? {} : { "image.name": names.join(",") }),
  };
}
