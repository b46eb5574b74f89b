import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, join } from "node:path";
import { defined, familiarReference, fsPath, namesIn, parseReference } from "../core/index.ts";
import { type ImageRecord, withLeases } from "../names/index.ts";
import { type LayerEntry, type LayerRecord, loadIndex, openView } from "../snapshot/index.ts";
import { leftovers } from "./leftovers.ts";
import type { Store } from "./open.ts";
import { contentsOf, mentionedIn } from "./references.ts";

/** One thing that is wrong. */
export interface Finding {
  readonly kind: "blob" | "layer" | "image" | "cache" | "leftover";
  /** What it is about: a digest, a layer id, an image name, a file. */
  readonly subject: string;
  readonly problem: string;
  /** What `repair` did about it; absent when it was not asked for, or when nothing can be done. */
  readonly repaired?: string;
}

export interface FsckOptions {
  /**
   * Takes damaged things out of the store, so that they are made or pulled again; rebuilds indexes. Damaged blobs are
   * moved into `lost+found/`, never deleted.
   */
  readonly repair?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Checks everything: every blob is read and hashed, every layer's forms, every name and cache record. Yields what is
 * wrong as it is found; nothing for a sound store. What is merely unused is no finding, what a process left that was killed
 * an hour ago or more is one.
 */
export async function* fsck(store: Store, options: FsckOptions = {}): AsyncGenerator<Finding> {
  yield* checkBlobs(store, options);
  yield* checkLayers(store, options);
  yield* checkNames(store, options);
  yield* checkCache(store, options);
  yield* checkLeftovers(store, options);
}

async function* checkBlobs(store: Store, { repair, signal }: FsckOptions): AsyncGenerator<Finding> {
  const directory = join(store.root, "blobs", "sha256");
  for (const name of namesIn(directory)) {
    signal?.throwIfAborted();
    const file = join(directory, name);
    const problem = await blobProblem(file, name);
    if (problem === undefined) continue;
    const subject = /^[0-9a-f]{64}$/.test(name) ? `sha256:${name}` : file;
    yield { kind: "blob", subject, problem, ...(repair ? { repaired: moveAside(store, file) } : {}) };
  }
}

async function blobProblem(file: string, name: string): Promise<string | undefined> {
  if (!/^[0-9a-f]{64}$/.test(name)) return "not named by a digest";
  if (!lstatSync(file, { throwIfNoEntry: false })?.isFile())
    return lstatSync(file, { throwIfNoEntry: false }) === undefined ? undefined : "not a regular file";
  const actual = await hashFile(file);
  return actual === undefined || actual === name ? undefined : `its content has digest sha256:${actual}`;
}

/** Hex sha256; `undefined` when the file is gone by now. */
async function hashFile(file: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(1 << 20);
  try {
    const handle = await open(file, "r");
    try {
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length);
        if (bytesRead === 0) return hash.digest("hex");
        hash.update(buffer.subarray(0, bytesRead));
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function moveAside(store: Store, file: string): string {
  const directory = join(store.root, "lost+found");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const target = join(directory, `${basename(file)}.${Date.now()}`);
  renameSync(file, target);
  return `moved to ${target}`;
}

async function* checkLayers(store: Store, { repair, signal }: FsckOptions): AsyncGenerator<Finding> {
  for (const record of [...store.layers.list()]) {
    signal?.throwIfAborted();
    const fatal = await tarProblem(store, record);
    if (fatal !== undefined) {
      yield layerFinding(record, fatal, repair ? removeLayer(store, record) : undefined);
      continue;
    }
    const indexFile = join(store.root, "layers", record.id, "index");
    if (statSync(indexFile, { throwIfNoEntry: false }) !== undefined && loadIndex(indexFile) === undefined) {
      const repaired = repair ? await rebuildIndex(store, record, indexFile) : undefined;
      yield layerFinding(record, "its index is damaged", repaired);
      if (repaired === undefined) continue;
    }
    const wrong = await directoryProblem(store, record);
    if (wrong !== undefined)
      yield layerFinding(record, wrong, repair ? removeLayer(store, record) : undefined);
  }
}

function layerFinding(record: LayerRecord, problem: string, repaired: string | undefined): Finding {
  return { kind: "layer", subject: record.id, problem, ...defined({ repaired }) };
}

function removeLayer(store: Store, record: LayerRecord): string {
  store.layers.remove(record.id);
  return "removed; it is made again from its image, or by building";
}

async function rebuildIndex(store: Store, record: LayerRecord, indexFile: string): Promise<string> {
  rmSync(indexFile, { force: true });
  await store.layers.source(record.id);
  return "rebuilt";
}

async function tarProblem(
  store: Store,
  { origin, diffId, tarSize }: LayerRecord,
): Promise<string | undefined> {
  if (diffId === undefined) return origin === "tar" ? "its record names no tar" : undefined;
  const found = store.content.stat(diffId);
  if (found === undefined) return origin === "tar" ? `its tar ${diffId} is missing` : undefined;
  return tarSize === undefined || found.size === tarSize
    ? undefined
    : `its tar has ${found.size} bytes instead of ${tarSize}`;
}

/** What differs between a layer's index and its directory, where the directory is what the layer was made as. */
async function directoryProblem(store: Store, record: LayerRecord): Promise<string | undefined> {
  if (record.origin !== "directory") return undefined;
  let source: Awaited<ReturnType<Store["layers"]["source"]>>;
  try {
    source = await store.layers.source(record.id);
  } catch (error) {
    return (error as Error).message;
  }
  if (source.content.kind !== "directory") return undefined;
  const view = openView(source);
  try {
    for (const entry of view.entries("")) {
      const problem = entryProblem(source.content.path, entry);
      if (problem !== undefined) return problem;
    }
    return undefined;
  } finally {
    view.close();
  }
}

function entryProblem(directory: string, entry: LayerEntry): string | undefined {
  const path = fsPath(entry.path);
  const file =
    typeof path === "string" ? join(directory, path) : Buffer.concat([Buffer.from(`${directory}/`), path]);
  const found = lstatSync(file, { throwIfNoEntry: false });
  const name = JSON.stringify(path.toString());
  if (found === undefined) return `${name} is missing in its directory`;
  if (entry.type === "directory" ? !found.isDirectory() : found.isDirectory())
    return `${name} is not a ${entry.type} any more`;
  if (entry.type === "file" && (!found.isFile() || found.size !== entry.size))
    return `${name} has ${found.size} bytes instead of ${entry.size}`;
  return undefined;
}

async function* checkNames(store: Store, { repair }: FsckOptions): AsyncGenerator<Finding> {
  for (const file of [...store.names.damaged()])
    yield {
      kind: "image",
      subject: file,
      problem: "not an image record",
      ...(repair ? { repaired: moveAside(store, file) } : {}),
    };
  for (const record of store.names.list()) {
    const problem = imageProblem(store, record);
    if (problem === undefined) continue;
    const finding = { kind: "image" as const, subject: nameOf(record), problem };
    if (!repair) yield finding;
    else {
      await store.names.remove(record);
      yield { ...finding, repaired: "its name was removed; pull or build it again" };
    }
  }
}

function imageProblem(store: Store, record: ImageRecord): string | undefined {
  const { problems, blobs } = contentsOf(store.content, record.target);
  if (problems[0] !== undefined) return problems[0];
  if (!blobs.has(record.manifest.digest)) return `manifest ${record.manifest.digest} is missing`;
  return blobs.has(record.id) ? undefined : `configuration ${record.id} is missing`;
}

function nameOf(record: ImageRecord): string {
  return record.name === undefined ? record.id : familiarReference(parseReference(record.name));
}

async function* checkCache(store: Store, { repair }: FsckOptions): AsyncGenerator<Finding> {
  for (const file of [...store.cache.damaged()]) {
    if (repair) rmSync(file, { force: true });
    yield {
      kind: "cache",
      subject: file,
      problem: "not a cache record",
      ...(repair ? { repaired: "removed" } : {}),
    };
  }
  for (const { key, record } of [...store.cache.list()]) {
    const { layers } = mentionedIn(record.results);
    const missing = [...layers].find((id) => store.layers.record(id) === undefined);
    if (missing === undefined) continue;
    if (repair) store.cache.remove(key);
    yield {
      kind: "cache",
      subject: key,
      problem: `${record.name}: layer ${missing} is missing`,
      ...(repair ? { repaired: "removed; the step runs again" } : {}),
    };
  }
}

async function* checkLeftovers(store: Store, { repair, signal }: FsckOptions): AsyncGenerator<Finding> {
  const since = await withLeases(store.root, signal, (leased) => leased.since);
  for (const { file, remove } of leftovers(store.root, since)) {
    if (repair) await remove();
    yield {
      kind: "leftover",
      subject: file,
      problem: "left by a process that was killed",
      ...(repair ? { repaired: "removed" } : {}),
    };
  }
}
