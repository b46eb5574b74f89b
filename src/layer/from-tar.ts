import { rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError, type BytePath, type Descriptor, defined } from "../core/index.ts";
import type { LayerId } from "../snapshot/index.ts";
import { movedDirectories, movedKey } from "./borrowed.ts";
import type { LayerCatalog } from "./catalog.ts";
import { compressionOf } from "./inflate.ts";
import { described, freshId } from "./layer-files.ts";
import type { FromTarOptions } from "./types.ts";
import { runLayerTask } from "./work.ts";

type Blob = Pick<Descriptor, "digest" | "size">;
type Moved = readonly (readonly [BytePath, BytePath])[];

/** A plain tar, in the content store or about to go there. */
interface PlainTar extends Blob {
  readonly file: string;
  /** Called once the archive has been judged. */
  adopt(): void;
}

/** See `LayerStore.fromTar`. */
export async function fromTar(blob: Blob, options: FromTarOptions, catalog: LayerCatalog): Promise<LayerId> {
  let id = options.diffId === undefined ? undefined : catalog.byDiffId(options.diffId);
  if (id === undefined || !catalog.touch(id)) id = await taken(blob, options, catalog);
  return options.below === undefined ? id : placed(id, options, catalog);
}

async function taken(blob: Blob, options: FromTarOptions, catalog: LayerCatalog): Promise<LayerId> {
  const temporary = catalog.content.temporary();
  try {
    const tar = await uncompressed(blob, temporary, options, catalog);
    return catalog.byDiffId(tar.digest) ?? (await indexed(tar, [], options, catalog));
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const { code, message, hint } = error;
    throw new BuildError(code, `layer ${blob.digest}: ${message}`, { hint, cause: error });
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** The layer as it lies on the layers below: another index over the same tar when those have symlinks in its way. */
async function placed(id: LayerId, options: FromTarOptions, catalog: LayerCatalog): Promise<LayerId> {
  const found = catalog.record(id);
  if (found?.dependsOnLower === undefined || found.origin !== "tar") return id;
  const below = await catalog.rootfs(options.below!.layers);
  const moved = movedDirectories(await catalog.index(found), below);
  if (moved.length === 0) return id;
  const known = catalog.files.memo(found.diffId!, `over-${movedKey(moved)}`);
  if (known !== undefined && catalog.record(known) !== undefined) return known;
  return indexed(inStore({ digest: found.diffId!, size: found.tarSize! }, catalog), moved, options, catalog);
}

/** Decompresses a blob where that is needed, and checks that it is what it has to be. */
async function uncompressed(
  blob: Blob,
  temporary: string,
  options: FromTarOptions,
  catalog: LayerCatalog,
): Promise<PlainTar> {
  const { content, files } = catalog;
  if (content.stat(blob.digest) === undefined)
    throw new BuildError("not-found", "its blob is not in the store");
  const compression = compressionOf(content.path(blob.digest));
  if (compression === "none") {
    if (options.diffId === undefined || options.diffId === blob.digest) return inStore(blob, catalog);
    throw new BuildError("data-loss", `it is not compressed, and not the content ${options.diffId}`);
  }
  const expected = defined({ diffId: options.diffId });
  const task = { file: content.path(blob.digest), target: temporary, compression, ...expected };
  const { diffId, size } = await runLayerTask("inflate", task, options.signal);
  return {
    digest: diffId,
    size,
    file: temporary,
    adopt() {
      content.adopt(temporary, { digest: diffId, size });
      files.remember(diffId, compression, JSON.stringify({ digest: blob.digest, size: blob.size }));
    },
  };
}

function inStore(blob: Blob, catalog: LayerCatalog): PlainTar {
  return { digest: blob.digest, size: blob.size, file: catalog.content.path(blob.digest), adopt: () => {} };
}

async function indexed(
  tar: PlainTar,
  moved: Moved,
  options: FromTarOptions,
  catalog: LayerCatalog,
): Promise<LayerId> {
  const { files } = catalog;
  const id = freshId();
  const prepared = files.prepare(id);
  const refuseDevices = options.refuseDevices === true;
  const rules = { refuseDevices, ...(moved.length === 0 ? {} : { moved: new Map(moved) }) };
  const task = { file: tar.file, indexFile: join(prepared, "index"), options: rules };
  try {
    const summary = await runLayerTask("indexTar", task, options.signal);
    tar.adopt();
    catalog.publish(prepared, {
      id,
      origin: "tar",
      diffId: tar.digest,
      tarSize: tar.size,
      ...described(summary),
      ...(moved.length === 0 ? {} : { moved }),
      ...(refuseDevices ? { refuseDevices } : {}),
    });
  } catch (error) {
    rmSync(prepared, { recursive: true, force: true });
    throw error;
  }
  files.remember(tar.digest, moved.length === 0 ? "" : `over-${movedKey(moved)}`, id);
  return id;
}
