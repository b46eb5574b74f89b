import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { BuildError, type BytePath, bytePathOf, fsPath, joinPath, textOf } from "../core/index.ts";
import type { NewEntry, PackedLayer } from "./types.ts";
import { openLayerWriter } from "./writer.ts";

/** A directory of the host that is to become a layer; plain data, for a worker. */
export interface DirectoryToPack {
  readonly directory: string;
  /** Where the tar goes. */
  readonly file: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Permission bits of every file; by those on disk when left out. */
  readonly mode?: number;
  /** Seconds since the epoch for everything; each entry's own when it is left out. */
  readonly mtime?: number;
  /** Whether the directory itself is an entry, whose time a copy takes over. */
  readonly withRoot?: boolean;
}

/**
 * Packs a directory that a program wrote for us: owners are what the caller says, modes as under umask 022, times whole
 * seconds. Files, directories and symlinks only.
 */
export function packDirectory(input: DirectoryToPack): PackedLayer {
  const base = bytePathOf(input.directory);
  const writer = openLayerWriter({ file: input.file, digests: true });
  const visit = (directory: BytePath): void => {
    const names = readdirSync(fsPath(`${base}/${directory}`), { encoding: "latin1" }).sort();
    for (const name of names) {
      const path = joinPath(directory, name);
      const host = fsPath(`${base}/${path}`);
      const stat = lstatSync(host);
      const entry = entryOf(input, path, stat);
      if (stat.isSymbolicLink()) {
        const linkname = readlinkSync(host, { encoding: "latin1" });
        writer.add({ ...entry, type: "symlink", mode: 0o777, linkname });
      } else if (stat.isDirectory()) {
        writer.add({ ...entry, type: "directory" });
        visit(path);
      } else if (stat.isFile()) {
        const fd = openSync(host, "r");
        try {
          writer.add(
            { ...entry, type: "file", mode: input.mode ?? entry.mode },
            { kind: "fd", fd, position: 0, size: stat.size },
          );
        } finally {
          closeSync(fd);
        }
      } else throw new BuildError("invalid-argument", `${textOf(path)} is no file, directory or symlink`);
    }
  };
  try {
    if (input.withRoot)
      writer.add({ ...entryOf(input, "", lstatSync(input.directory)), type: "directory", mode: 0o755 });
    visit("");
    return writer.finish();
  } catch (error) {
    writer.abort();
    throw error;
  }
}

function entryOf(
  { uid = 0, gid = 0, mtime }: DirectoryToPack,
  path: BytePath,
  stat: Stats,
): Omit<NewEntry, "type"> {
  // What the owner may do, everybody may but write: no umask of whoever runs the build gets into a layer.
  const owner = (stat.mode >> 6) & 7;
  const others = owner & 5;
  return {
    path,
    mode: (owner << 6) | (others << 3) | others,
    uid,
    gid,
    mtime: mtime ?? Math.floor(stat.mtimeMs / 1000),
  };
}
