import { createReadStream, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  BuildError,
  type BytePath,
  defined,
  formatPlatform,
  makeDirectories,
  replaceFileBy,
  textOf,
} from "../core/index.ts";
import type { Rootfs } from "../snapshot/index.ts";
import { type ExportSource, platformDirectory } from "./commit.ts";
import { checkFile, destination, type ExportOptions, type ExportStores, toStdout } from "./destination.ts";
import type { Output } from "./output.ts";
import type { RootfsTree } from "./rootfs-tar.ts";

/**
 * Writes root filesystems as a tar or into a directory. Those of several platforms get a directory each
 * (`linux_arm64`), unless `split` says that they lie in one. Returns the paths that were left out.
 */
export async function exportFiles(
  source: ExportSource,
  output: Extract<Output, { type: "tar" | "local" }>,
  stores: ExportStores,
  options: ExportOptions,
): Promise<readonly string[]> {
  const split = output.split ?? source.index;
  const trees: RootfsTree[] = [];
  for (const { platform, draft } of source.platforms) {
    const rootfs = await stores.layers.rootfs(draft.snapshot);
    const { epoch } = draft;
    trees.push({
      rootfs,
      name: formatPlatform(platform),
      ...(split ? { directory: platformDirectory(platform) } : {}),
      ...defined({ epoch }),
    });
  }
  if (!split) refuseOverlap(trees);
  return output.type === "local"
    ? await exportDirectories(trees, output.dest, options)
    : await exportTar(trees, output.dest, stores, options);
}

async function exportDirectories(
  trees: readonly RootfsTree[],
  dest: string,
  options: ExportOptions,
): Promise<readonly string[]> {
  const { writeDirectory } = await import("./directory.ts");
  const skipped: string[] = [];
  for (const { rootfs, directory = "", ...how } of trees) {
    const left = await writeDirectory(rootfs, join(destination(dest, options), directory), {
      ...how,
      ...defined({ signal: options.signal }),
    });
    skipped.push(...left.map((path) => join(directory, path)));
  }
  return skipped;
}

async function exportTar(
  trees: readonly RootfsTree[],
  shown: string,
  stores: ExportStores,
  options: ExportOptions,
): Promise<readonly string[]> {
  const dest = destination(shown, options);
  const { writeRootfsTar } = await import("./rootfs-tar.ts");
  if (shown !== "-") {
    checkFile(dest, shown);
    makeDirectories(dirname(dest));
    await replaceFileBy(dest, (temporary) => writeRootfsTar(trees, temporary, options.signal));
    return [];
  }
  const file = stores.content.temporary();
  try {
    await writeRootfsTar(trees, file, options.signal);
    await toStdout(createReadStream(file), options);
  } finally {
    rmSync(file, { force: true });
  }
  return [];
}

/** In one directory, no platform may overwrite another's file. */
function refuseOverlap(trees: readonly RootfsTree[]): void {
  if (trees.length < 2) return;
  const owners = new Map<BytePath, string>();
  for (const { rootfs, name } of trees)
    for (const { path } of filesOf(rootfs)) {
      const owner = owners.get(path);
      if (owner !== undefined)
        throw new BuildError(
          "failed-precondition",
          `cannot overwrite ${textOf(path)} from ${owner} with ${name} when split option is disabled`,
          { hint: "leave platform-split=false out: each platform then gets a directory" },
        );
      owners.set(path, name);
    }
}

function* filesOf(rootfs: Rootfs) {
  for (const entry of rootfs.walk("")) if (entry.path !== "" && entry.type !== "directory") yield entry;
}
