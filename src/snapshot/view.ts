import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { BuildError, type BytePath, bytePathOf, fsPath, textOf } from "../core/index.ts";
import { openDigestMemo } from "./digest-memo.ts";
import { hashBytes, readFully } from "./file-bytes.ts";
import {
  digestAt,
  entryAt,
  findRecord,
  flagsAt,
  indexFlags,
  type LayerIndex,
  lowerBound,
  parseIndex,
  pathAt,
  positionAt,
  recordFlags,
  typeAt,
} from "./index-format.ts";
import type { FileBytes, LayerEntry, LayerSource, LayerView } from "./types.ts";

/** `read` takes whole files into memory; larger ones are read through `open`. */
const readLimit = 16 << 20;

/** Closes the tars of views that nobody closed. */
const forgotten = new FinalizationRegistry<{ fd: number }>(closeHandle);

/** Loads an index; `undefined` when it is missing, damaged or of another version, and so has to be made again. */
export function loadIndex(file: string): LayerIndex | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return undefined;
  }
  return parseIndex(bytes);
}

/**
 * Opens a layer for reading. Throws `data-loss` when its index is missing or damaged (`LayerStore.source` repairs it);
 * the content is opened when it is first asked for.
 */
export function openView(source: LayerSource): LayerView {
  const index = loadIndex(source.index);
  if (index === undefined)
    throw new BuildError("data-loss", `layer ${source.id}: its index is missing or damaged`, {
      hint: "stagewright fsck rebuilds it",
    });
  return viewOf(source, index);
}

/** A view over an index that is loaded already. */
export function viewOf(source: LayerSource, index: LayerIndex): LayerView {
  const memo = openDigestMemo(source.digests, index.crc);
  const tar = { fd: -1 };
  const hides = (index.flags & indexFlags.hides) !== 0;

  const record = (path: BytePath, flag?: number): number => {
    const found = findRecord(index, path);
    return found >= 0 && flag !== undefined && !(flagsAt(index, found) & flag) ? -1 : found;
  };

  /** The record that holds the content of `path`. */
  const fileRecord = (path: BytePath): number => {
    const found = findRecord(index, path);
    const type = found < 0 ? undefined : typeAt(index, found);
    if (type === "file") return found;
    if (type === "hardlink") {
      const target = findRecord(index, entryAt(index, found, path).linkname);
      if (target >= 0 && typeAt(index, target) === "file") return target;
    }
    throw new BuildError("not-found", `layer ${source.id}: ${textOf(path)} is not a file of this layer`);
  };

  const openRecord = (found: number): FileBytes => {
    const { path, size } = entryAt(index, found);
    if (source.content.kind === "directory") return openOwn(source.content.path, path, size);
    if (tar.fd < 0) tar.fd = openSync(source.content.path, "r");
    return { fd: tar.fd, position: positionAt(index, found), size, shared: true, close: () => {} };
  };

  const view: LayerView = {
    id: source.id,
    ...(hides ? {} : { hidesNothing: true as const }),
    lookup(path) {
      const found = record(path);
      return found < 0 || typeAt(index, found) === "whiteout" ? undefined : entryAt(index, found, path);
    },
    isWhiteout(path) {
      if (!hides) return false;
      const found = record(path);
      return found >= 0 && typeAt(index, found) === "whiteout";
    },
    isOpaque: (path) => hides && record(path, recordFlags.opaque) >= 0,
    children: (path) => childrenOf(index, path),
    *entries(path) {
      for (const found of recordsBelow(index, path))
        if (typeAt(index, found) !== "whiteout") yield entryAt(index, found);
    },
    *whiteouts(path) {
      if (!hides) return;
      for (const found of recordsBelow(index, path))
        if (typeAt(index, found) === "whiteout") yield pathAt(index, found);
    },
    open: (path) => openRecord(fileRecord(path)),
    read(path) {
      const file = view.open(path);
      try {
        if (file.size > readLimit)
          throw new BuildError("resource-exhausted", `${textOf(path)} is larger than ${readLimit} bytes`);
        const bytes = Buffer.allocUnsafe(file.size);
        readFully(file.fd, bytes, file.size, file.position);
        return bytes;
      } finally {
        file.close();
      }
    },
    fileDigest(path) {
      const found = fileRecord(path);
      const known = digestAt(index, found) ?? memo.get(found);
      if (known !== undefined) return known;
      const file = openRecord(found);
      try {
        const digest = hashBytes(file);
        memo.set(found, digest);
        return digest;
      } finally {
        file.close();
      }
    },
    saveDigests: () => memo.save(),
    close: () => closeHandle(tar),
  };
  forgotten.register(view, tar);
  return view;
}

/** Opens a file of a directory-form layer: never through a symlink, and only if it still has the size it had. */
function openOwn(root: string, path: BytePath, size: number): FileBytes {
  const fd = openSync(fsPath(`${bytePathOf(root)}/${path}`), constants.O_RDONLY | constants.O_NOFOLLOW);
  const actual = fstatSync(fd).size;
  if (actual !== size) {
    closeSync(fd);
    throw new BuildError(
      "data-loss",
      `${textOf(path)} has ${actual} bytes instead of the ${size} in its index`,
    );
  }
  return { fd, position: 0, size, close: () => closeSync(fd) };
}

function closeHandle(handle: { fd: number }): void {
  if (handle.fd >= 0) closeSync(handle.fd);
  handle.fd = -1;
}

/** Records at and below `path`, in byte order. What is below a directory lies together, but not next to it. */
function* recordsBelow(index: LayerIndex, path: BytePath): Generator<number> {
  if (path === "") {
    for (let i = 0; i < index.count; i++) yield i;
    return;
  }
  const own = findRecord(index, path);
  if (own >= 0) yield own;
  const [start, end] = below(index, path);
  for (let i = start; i < end; i++) yield i;
}

/** First record below a directory and the first one after them. */
function below(index: LayerIndex, path: BytePath): [number, number] {
  if (path === "") return [1, index.count]; // record 0 is the root
  const start = lowerBound(index, Buffer.from(`${path}/`, "latin1"));
  return [start, lowerBound(index, Buffer.from(`${path}0`, "latin1"), start)]; // "0" follows "/"
}

function* childrenOf(index: LayerIndex, path: BytePath): Generator<LayerEntry> {
  const prefix = path === "" ? 0 : path.length + 1;
  const [start, end] = below(index, path);
  for (let i = start; i < end; ) {
    const child = pathAt(index, i);
    const slash = child.indexOf("/", prefix);
    if (slash >= 0) {
      i = lowerBound(index, Buffer.from(`${child.slice(0, slash)}0`, "latin1"), i); // over a subtree
      continue;
    }
    if (typeAt(index, i) !== "whiteout") yield entryAt(index, i, child);
    i++;
  }
}
