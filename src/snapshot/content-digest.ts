import { createHash } from "node:crypto";
import { BuildError, type BytePath, type Digest, textOf } from "../core/index.ts";
import type { FoundEntry, Rootfs } from "./types.ts";

/**
 * Digest of what a path and everything below it is: names below it, types, modes, owners, link targets, device numbers,
 * xattrs and file contents; not its own name, and no times (so that a fresh checkout of the same files is the same).
 * A hardlink counts as the file it names. `follow` resolves a symlink in the last component; the components before
 * it are always followed. Throws `not-found` when there is nothing at `path`.
 */
export function contentDigest(rootfs: Rootfs, path: BytePath, options: { follow?: boolean } = {}): Digest {
  const { path: real, entry } = rootfs.resolve(path, { nofollow: !options.follow });
  if (entry === undefined && real !== "") throw new BuildError("not-found", `${textOf(path)}: no such file`);
  const state = createHash("sha256");
  const prefix = real === "" ? 0 : real.length + 1;
  for (const found of rootfs.walk(real)) {
    const file = rootfs.inode(found);
    state.update(header(found.path.slice(prefix), file), "latin1");
    for (const [name, value] of [...(file.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)))
      state.update(`x${name.length}:${name}${value.length}:`, "latin1").update(value);
    if (file.type === "file") state.update(rootfs.fileDigest(file));
  }
  for (const layer of rootfs.layers) layer.saveDigests();
  return `sha256:${state.digest("hex")}`;
}

/** Every field has an end of its own, so that no two entries have the same header. */
function header(name: BytePath, entry: FoundEntry): string {
  const { type, mode, uid, gid, linkname, devMajor, devMinor } = entry;
  const numbers = `${type} ${mode.toString(8)} ${uid} ${gid} ${devMajor} ${devMinor}`;
  return `e${name.length}:${name}${numbers} ${linkname.length}:${linkname}`;
}
