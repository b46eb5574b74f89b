import {
  chmodSync,
  constants,
  copyFileSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { BuildError, bytePathOf, fileTime, fsPath, textOf } from "../core/index.ts";
import type { Executor } from "../executor/index.ts";
import type { LayerEntry } from "../snapshot/index.ts";
import { joinHost, type LocalTree } from "../source/index.ts";

const made = new WeakMap<LocalTree, string>();

/**
 * A copy of a scanned directory that a step can mount: without what is excluded, owned by root, and a snapshot of
 * the files as they are now. Made once per scan; it is thrown away with the executor's directories.
 */
export function materialise(tree: LocalTree, executor: Executor): string {
  let directory = made.get(tree);
  if (directory === undefined) {
    directory = executor.createUpper();
    copyTree(tree, directory);
    made.set(tree, directory);
  }
  return directory;
}

function copyTree(tree: LocalTree, to: string): void {
  const target = bytePathOf(to);
  const directories: LayerEntry[] = [];
  for (const entry of tree.view.entries("")) {
    if (entry.path === "") continue;
    copyEntry(entry, joinHost(tree.root, entry.path), `${target}/${entry.path}`, target);
    if (entry.type === "directory") directories.push(entry);
  }
  // Last, and the deepest first: making a child changes the time of its parent.
  for (const entry of directories.reverse()) {
    chmodSync(fsPath(`${target}/${entry.path}`), entry.mode);
    utimesSync(fsPath(`${target}/${entry.path}`), fileTime(entry.mtime), fileTime(entry.mtime));
  }
}

function copyEntry(entry: LayerEntry, from: string, to: string, root: string): void {
  switch (entry.type) {
    case "directory":
      mkdirSync(fsPath(to));
      return;
    case "symlink":
      symlinkSync(fsPath(entry.linkname), fsPath(to));
      lutimesSync(fsPath(to), fileTime(entry.mtime), fileTime(entry.mtime));
      return;
    case "hardlink":
      linkSync(fsPath(`${root}/${entry.linkname}`), fsPath(to));
      return;
    case "file":
      copyFileSync(fsPath(from), fsPath(to), constants.COPYFILE_FICLONE);
      chmodSync(fsPath(to), entry.mode);
      utimesSync(fsPath(to), fileTime(entry.mtime), fileTime(entry.mtime));
      return;
    default:
      throw new BuildError(
        "unimplemented",
        `${textOf(entry.path)}: a ${entry.type} in a mounted directory is not supported`,
        {
          hint: "exclude it in .dockerignore",
        },
      );
  }
}
