import { type BytePath, joinPath } from "../core/index.ts";
import { hasWildcards, matchName } from "../source/index.ts";
import type { Tree } from "./file-tree.ts";

/**
 * Paths that a source with wildcards stands for, in byte order of components; symlinks are followed before the first
 * component with a wildcard, not after it. `undefined` when the part before it does not exist.
 */
export function expandWildcards(
  tree: Tree,
  source: BytePath,
  resolve: (path: BytePath) => BytePath,
): BytePath[] | undefined {
  const parts = source.split("/");
  const first = parts.findIndex(hasWildcards);
  if (first < 0) return [source];
  const start = resolve(parts.slice(0, first).join("/"));
  if (tree.lookup(start) === undefined) return undefined;
  let found = [start];
  for (const pattern of parts.slice(first))
    found = found.flatMap((directory) =>
      tree
        .list(directory)
        .filter(({ name }) => matchName(pattern, name))
        .map(({ name }) => joinPath(directory, name)),
    );
  return found;
}
