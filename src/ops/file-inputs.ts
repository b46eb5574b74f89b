import { type BytePath, nameOf } from "../core/index.ts";
import { type LayerSource, openRootfs } from "../snapshot/index.ts";
import {
  childRows,
  type DigestColumn,
  deviceAt,
  digestAt,
  joinHost,
  type LocalTree,
  rowFinder,
  rowType,
  secondsAt,
  type TreeTable,
} from "../source/index.ts";
import { emptyTree, type Node, rootNode, type Tree, treeOfRootfs } from "./file-tree.ts";

/** An input of a file op as plain data, for a worker. */
export type FileInput =
  | { readonly kind: "layers"; readonly name: string; readonly sources: readonly LayerSource[] }
  | (LocalData & { readonly kind: "local"; readonly name: string; readonly exclude: LocalTree["exclude"] });

/** What a scanned directory is made of. */
export type LocalData = Pick<LocalTree, "root" | "table" | "digests">;

/** Opens an input for looking things up. */
export function openInput(input: FileInput): Tree {
  if (input.kind === "local") return treeOfLocal(input);
  return input.sources.length === 0 ? emptyTree : treeOfRootfs(openRootfs(input.sources));
}

/** A scanned directory as a tree. Its root says nothing, because BuildKit does not transfer it. */
export function treeOfLocal({ root, table, digests }: LocalData): Tree {
  const find = rowFinder(table);
  const nodeAt = (row: number) => (row === 0 ? rootNode : nodeOf(root, table, digests, row));
  return {
    lookup(path) {
      const row = find(path);
      return row === undefined ? undefined : nodeAt(row);
    },
    list(path) {
      const row = find(path);
      if (row === undefined) return [];
      return [...childRows(table, row)].map((child) => ({
        name: nameOf(table.paths[child]!),
        node: nodeAt(child),
      }));
    },
  };
}

function nodeOf(root: BytePath, table: TreeTable, digests: DigestColumn, row: number): Node {
  const type = rowType(table, row);
  const node = {
    type,
    mode: table.mode[row]!,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: secondsAt(table, row),
    devMajor: 0,
    devMinor: 0,
  };
  if (type === "symlink") return { ...node, link: table.links.get(row) };
  if (type === "char" || type === "block") return { ...node, ...deviceAt(table, row) };
  if (type !== "file") return node;
  const size = table.size[row]!;
  return {
    ...node,
    size,
    inode: inodeOf(table, row),
    content: {
      kind: "host",
      path: joinHost(root, table.paths[row]!),
      row,
      size,
      mtime: table.mtime[row]!,
      ctime: table.ctime[row]!,
      sha256: digestAt(digests, row),
    },
  };
}

function inodeOf(table: TreeTable, row: number): string | undefined {
  const twin = table.twin[row]!;
  if (twin >= 0) return String(twin);
  return table.shared.has(row) ? String(row) : undefined;
}
