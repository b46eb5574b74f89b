import { linkSync, mkdirSync } from "node:fs";
import type { BytePath } from "../core/index.ts";
import {
  copyBytes,
  type FoundEntry,
  type LayerEntry,
  type LayerSource,
  openRootfs,
} from "../snapshot/index.ts";
import {
  canMake,
  type DirectoryStyle,
  hostBelow,
  makeSpecial,
  settleDirectory,
  writeFile,
} from "./unpack-entry.ts";

export interface UnpackTreeTask {
  /** Base first. */
  readonly layers: readonly LayerSource[];
  /** A directory that does not exist yet. */
  readonly target: string;
  readonly style: DirectoryStyle;
}

/** Makes one directory of a whole stack of layers: what a mount of it would show. Synchronous. */
export function unpackTree({ layers, target, style: given }: UnpackTreeTask): void {
  const rootfs = openRootfs(layers);
  const host = hostBelow(target);
  const style = { ...given, umask: process.umask() };
  const directories: LayerEntry[] = [];
  const first = new Map<string, BytePath>();
  mkdirSync(target, 0o755);
  for (const entry of rootfs.walk("")) {
    if (entry.type === "directory") {
      if (entry.path !== "") mkdirSync(host(entry.path), 0o700);
      directories.push(entry);
      continue;
    }
    const file = rootfs.inode(entry);
    if (!canMake(file, style)) continue;
    const inode = `${file.layer.id} ${file.path}`;
    const linked = first.get(inode);
    if (linked !== undefined) linkSync(host(linked), host(entry.path));
    else {
      first.set(inode, entry.path);
      makeFile(host(entry.path), file, style);
    }
  }
  // Children first: making one changes its parent's time.
  for (const entry of directories.reverse()) settleDirectory(host(entry.path), entry, false, style);
  for (const layer of rootfs.layers) layer.close();
}

function makeFile(
  host: string | Buffer,
  file: FoundEntry,
  style: DirectoryStyle & { readonly umask: number },
): void {
  if (file.type !== "file") {
    makeSpecial(host, file, style);
    return;
  }
  const content = file.layer.open(file.path);
  try {
    writeFile(host, file, style, (out) => copyBytes(content, file.path, out));
  } finally {
    content.close();
  }
}
