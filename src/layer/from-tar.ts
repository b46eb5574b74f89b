import { rmSync } from "node:fs";
import { join } from "node:path";
import type { ContentStore } from "../content/index.ts";
import { BuildError, type BytePath, type Descriptor, type Digest } from "../core/index.ts";
import type { LayerId, LayerIndex, Rootfs } from "../snapshot/index.ts";
import { movedDirectories, movedKey } from "./borrowed.ts";
import { compressionOf } from "./inflate.ts";
import { described, freshId, type LayerFiles, type StoredRecord } from "./layer-files.ts";
import type { FromTarOptions } from "./types.ts";
import { runLayerTask } from "./work.ts";

/** What making a layer needs of the store. */
interface Store {
  readonly content: ContentStore;
  readonly files: LayerFiles;
  byDiffId(diffId: Digest): LayerId | undefined;
  record(id: LayerId): StoredRecord | undefined;
  index(found: StoredRecord): Promise<LayerIndex>;
  rootfs(layers: readonly LayerId[]): Promise<Rootfs>;
  publish(prepared: string, facts: Omit<StoredRecord, "version" | "created" | "unsynced">): void;
  touch(id: LayerId): boolean;
}

type Blob = Pick<Descriptor, "digest" | "size">;
type Moved = readonly (readonly [BytePath, BytePath])[];

/** A plain tar, in the content store or about to go there. */
interface PlainTar extends Blob {
  readonly file: string;
  /** Called once the archive has been judged. */
  adopt(): void;
}

/** See `LayerStore.fromTar`. */
export async function fromTar(blob: Blob, options: FromTarOptions, store: Store): Promise<LayerId> {
  let id = options.diffId === undefined ? undefined : store.byDiffId(options.diffId);
  if (id === undefined || !store.touch(id)) id = await taken(blob, options, store);
  return options.below === undefined ? id : placed(id, options, store);
}

async function taken(blob: Blob, options: FromTarOptions, store: Store): Promise<LayerId> {
  const temporary = store.content.temporary();
  try {
    const tar = await uncompressed(blob, temporary, options, store);
    return store.byDiffId(tar.digest) ?? (await indexed(tar, [], options, store));
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const { code, message, hint } = error;
    throw new BuildError(code, `layer ${blob.digest}: ${message}`, { hint, cause: error });
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** The layer as it lies on the layers below: another index over the same tar when those have symlinks in its way. */
async function placed(id: LayerId, options: FromTarOptions, store: Store): Promise<LayerId> {
  const found = store.record(id);
  if (found?.dependsOnLower === undefined || found.origin !== "tar") return id;
  const below = await store.rootfs(options.below!.layers);
  const moved = movedDirectories(await store.index(found), below);
  if (moved.length === 0) return id;
  const known = store.files.memo(found.diffId!, `over-${movedKey(moved)}`);
  if (known !== undefined && store.record(known) !== undefined) return known;
  return indexed(inStore({ digest: found.diffId!, size: found.tarSize! }, store), moved, options, store);
}

/** Decompresses a blob where that is needed, and checks that it is what it has to be. */
async function uncompressed(
  blob: Blob,
  temporary: string,
  options: FromTarOptions,
  store: Store,
): Promise<PlainTar> {
  const { content, files } = store;
  if (content.stat(blob.digest) === undefined)
    throw new BuildError("not-found", "its blob is not in the store");
  const compression = compressionOf(content.path(blob.digest));
  if (compression === "none") {
    if (options.diffId === undefined || options.diffId === blob.digest) return inStore(blob, store);
    throw new BuildError("data-loss", `it is not compressed, and not the content ${options.diffId}`);
  }
  const expected = options.diffId === undefined ? {} : { diffId: options.diffId };
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

function inStore(blob: Blob, store: Store): PlainTar {
  return { digest: blob.digest, size: blob.size, file: store.content.path(blob.digest), adopt: () => {} };
}

async function indexed(tar: PlainTar, moved: Moved, options: FromTarOptions, store: Store): Promise<LayerId> {
  const { files } = store;
  const id = freshId();
  const prepared = files.prepare(id);
  const refuseDevices = options.refuseDevices === true;
  const rules = { refuseDevices, ...(moved.length === 0 ? {} : { moved: new Map(moved) }) };
  const task = { file: tar.file, indexFile: join(prepared, "index"), options: rules };
  try {
    const summary = await runLayerTask("indexTar", task, options.signal);
    tar.adopt();
    store.publish(prepared, {
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
