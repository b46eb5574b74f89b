/**
 * Makes the directory form of a layer from its index and tar. The target is a fresh directory of ours and the index is a
 * consistent tree, so every parent is a directory that was made here a moment ago: no name can be led elsewhere,
 * whatever the archive holds. Synchronous; needs root for owners and whiteouts, or a user namespace.
 */
import { closeSync, linkSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { BuildError, type BytePath, textOf } from "../core/index.ts";
import {
  copyBytes,
  entryAt,
  findRecord,
  flagsAt,
  type LayerEntry,
  type LayerIndex,
  type LayerSource,
  loadIndex,
  openRootfs,
  pathAt,
  positionAt,
  type Rootfs,
  recordFlags,
  typeAt,
} from "../snapshot/index.ts";
import {
  canMake,
  type DirectoryStyle,
  type Host,
  hostBelow,
  makeSpecial,
  makeWhiteout,
  settleDirectory,
  writeFile,
} from "./unpack-entry.ts";

export interface UnpackTask {
  readonly source: LayerSource;
  /** The layers below, base first; asked for implied directories and for targets of hardlinks. */
  readonly below: readonly LayerSource[];
  /** A directory that does not exist yet. */
  readonly target: string;
  readonly style: DirectoryStyle;
}

/** Where a layer is unpacked, and how. */
interface Unpacking {
  readonly index: LayerIndex;
  readonly host: Host;
  readonly style: DirectoryStyle & { readonly umask: number };
  readonly lower: Rootfs | undefined;
}

/** Makes the directory form of a layer that is a tar, at `target`, which must not be there yet. */
export function unpackLayer({ source, below, target, style }: UnpackTask): void {
  const index = loadIndex(source.index);
  if (index === undefined)
    throw new BuildError("data-loss", `layer ${source.id}: its index is missing or damaged`);
  const host = hostBelow(target);
  const lower = below.length === 0 ? undefined : openRootfs(below);
  const unpacking: Unpacking = { index, host, lower, style: { ...style, umask: process.umask() } };
  const directories: { entry: LayerEntry; opaque: boolean }[] = [];
  const files: number[] = [];
  const links: number[] = [];
  for (let record = 0; record < index.count; record++) {
    const type = typeAt(index, record);
    if (type === "file") files.push(record);
    else if (type === "hardlink") links.push(record);
    else if (type === "whiteout") makeWhiteout(host, pathAt(index, record), style);
    else {
      const entry = entryAt(index, record);
      if (type === "directory") {
        mkdirSync(host(entry.path), 0o700);
        directories.push({ entry, opaque: (flagsAt(index, record) & recordFlags.opaque) !== 0 });
      } else if (canMake(entry, style)) makeSpecial(host(entry.path), entry, style);
    }
  }
  writeFiles(unpacking, files, source.content.path);
  for (const record of links) makeLink(unpacking, record);
  // Children first: making one changes its parent's time.
  for (const { entry, opaque } of directories.reverse())
    settleDirectory(host(entry.path), borrowed(entry, lower), opaque, style);
  for (const layer of lower?.layers ?? []) layer.close();
}

const windowSize = 1 << 20;

/** Files in the order in which they lie in the tar, through one window. */
function writeFiles({ index, host, style }: Unpacking, records: number[], tar: string): void {
  if (records.length === 0) return;
  const positions = new Map(records.map((record) => [record, positionAt(index, record)]));
  records.sort((a, b) => positions.get(a)! - positions.get(b)!);
  const fd = openSync(tar, "r");
  const window = Buffer.allocUnsafeSlow(windowSize);
  let start = 0;
  let end = 0;
  try {
    for (const record of records) {
      const entry = entryAt(index, record);
      const position = positions.get(record)!;
      writeFile(host(entry.path), entry, style, (out) => {
        for (let done = 0; done < entry.size; ) {
          const at = position + done;
          if (at < start || at >= end) {
            start = at;
            end = at + readSync(fd, window, 0, windowSize, at);
            if (end === start) throw new BuildError("data-loss", `${tar} is shorter than its index says`);
          }
          done += writeSync(out, window, at - start, Math.min(entry.size - done, end - at));
        }
      });
    }
  } finally {
    closeSync(fd);
  }
}

function makeLink({ index, host, style, lower }: Unpacking, record: number): void {
  const { path, linkname } = entryAt(index, record);
  const own = findRecord(index, linkname);
  if (own >= 0) {
    if (canMake({ type: typeAt(index, own) as LayerEntry["type"] }, style))
      linkSync(host(linkname), host(path));
    return;
  }
  // The file is in a layer below. Overlayfs would copy it up before it links it: so do we.
  const found = lower?.lookup(linkname);
  const file = found === undefined ? undefined : lower!.inode(found);
  if (file === undefined || file.type === "directory")
    throw new BuildError(
      "data-loss",
      `${textOf(path)} is a hardlink to ${textOf(linkname)}, which the layers below do not have`,
    );
  if (file.type !== "file") {
    if (canMake(file, style)) makeSpecial(host(path), file, style);
    return;
  }
  const content = file.layer.open(file.path);
  try {
    writeFile(host(path), file, style, (out) => copyBytes(content, linkname, out));
  } finally {
    content.close();
  }
}

/** A directory that the layer only implies is what it is in the layers below. */
function borrowed(own: LayerEntry, lower: Rootfs | undefined): LayerEntry {
  const found: LayerEntry | undefined =
    own.implied && own.path !== "" ? lower?.lookup(own.path as BytePath) : undefined;
  return found?.type === "directory" ? found : own;
}
