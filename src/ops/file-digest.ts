import { createHash } from "node:crypto";
import type { BytePath, Digest } from "../core/index.ts";
import type { CopyAction } from "../llb/index.ts";
import { digestAt, rowType, type TreeTable } from "../source/index.ts";
import { copy } from "./file-copy.ts";
import type { LocalData } from "./file-inputs.ts";
import { stageOver } from "./file-staging.ts";
import { emptyTree, type HostFile, type Node, type Tree } from "./file-tree.ts";

/** One path of a selection. */
export interface Selected {
  /** Where it would be, relative to the destination. */
  readonly path: BytePath;
  readonly node: Node;
}

/** A copy that shows what a source selects and nothing else: no owner, no mode, an empty destination. */
const selecting = {
  dest: "/",
  createDestPath: true,
  mode: -1,
  modeStr: "",
  attemptUnpack: false,
  alwaysReplaceExistingDestPaths: false,
  timestamp: -1n,
} as const;

/**
 * What a copy action takes from its source, found by copying to nowhere. The digest of it stands for the source in cache keys:
 * names, types, modes, owners, link targets, device numbers, capabilities and content count, times do not.
 */
export function selectedBy(from: Tree, action: CopyAction): Selected[] {
  const staging = stageOver(emptyTree);
  copy(staging, from, { ...action, ...selecting }, undefined, () => false);
  const selected: Selected[] = [];
  for (const change of staging.changes())
    if (change.kind === "add") selected.push({ path: change.path, node: change.node });
  return selected;
}

/** Digest of a selection. Every file of the host must have its sha256. */
export function digestOfSelected(selected: readonly Selected[]): Digest {
  const hasher = fieldHasher();
  for (const { path, node } of selected) addNode(hasher, path, node);
  return hasher.digest();
}

/** sha256 of a file's content, hex; for files of the host the one that is known. */
function contentOf(node: Node): Uint8Array | undefined {
  const { content } = node;
  if (content === undefined || node.size === 0) return undefined;
  if (content.kind === "layer") return content.view.fileDigest(content.path);
  if (content.kind === "bytes") return createHash("sha256").update(content.bytes).digest();
  if (content.kind === "host") return knownDigest(content);
  throw new TypeError("an archive's entry is no source of a copy");
}

function knownDigest(file: HostFile): Uint8Array {
  if (file.sha256 === undefined)
    throw new TypeError("a file of the host was not hashed before its digest is used");
  return file.sha256;
}

/** What is recorded of one path: content of a file, else what it is. */
export function contentDigest(node: Node): string {
  const content = contentOf(node);
  const mode = node.mode.toString(8);
  if (content !== undefined) return `${mode} sha256:${Buffer.from(content).toString("hex")}`;
  return [node.type, mode, node.link ?? ""].join(" ").trim();
}

function addNode(hasher: FieldHasher, path: BytePath, node: Node): void {
  hasher.header(
    path,
    node.type,
    node.mode,
    node.uid,
    node.gid,
    node.devMajor,
    node.devMinor,
    node.link ?? "",
  );
  const capability = node.xattrs?.get("security.capability");
  if (capability) hasher.bytes(capability);
  const content = contentOf(node);
  if (content) hasher.bytes(content);
}

/**
 * The same for everything below a directory's row, without an object for each path: the common `COPY . .` of a large
 * context. Its digests differ from `digestOfSelected`'s; which of the two is used depends on the action alone.
 */
export function digestOfRows({ table, digests }: LocalData, start: number): Digest {
  const hasher = fieldHasher();
  const skip = start === 0 ? 0 : table.paths[start]!.length + 1;
  for (let row = start + 1; row < table.end[start]!; row++) addRow(hasher, table, row, skip);
  for (let row = start + 1; row < table.end[start]!; row++) {
    if (rowType(table, row) !== "file" || table.size[row] === 0) continue;
    const content = digestAt(digests, row);
    if (content === undefined) throw new TypeError(`row ${row} was not hashed before its digest is used`);
    hasher.bytes(content);
  }
  return hasher.digest();
}

function addRow(hasher: FieldHasher, table: TreeTable, row: number, skip: number): void {
  const link = table.links.get(row) ?? "";
  const path = table.paths[row]!.slice(skip);
  hasher.header(path, rowType(table, row), table.mode[row]!, table.size[row]!, table.rdev[row]!, 0, 0, link);
}

interface FieldHasher {
  header(
    path: BytePath,
    type: string,
    mode: number,
    a: number,
    b: number,
    c: number,
    d: number,
    link: BytePath,
  ): void;
  bytes(bytes: Uint8Array): void;
  digest(): Digest;
}

/** Feeds a hash in large pieces; every field is delimited or preceded by its length. */
function fieldHasher(): FieldHasher {
  const state = createHash("sha256");
  const buffer = Buffer.allocUnsafe(1 << 16);
  let used = 0;
  const flush = (): void => {
    state.update(buffer.subarray(0, used));
    used = 0;
  };
  const write = (text: string): void => {
    if (text.length > buffer.length - used) flush();
    if (text.length > buffer.length) state.update(text, "latin1");
    else used += buffer.write(text, used, "latin1");
  };
  return {
    header(path, type, mode, a, b, c, d, link) {
      write(`p${path.length}:${path}${type} ${mode} ${a} ${b} ${c} ${d} ${link.length}:${link}`);
    },
    bytes(bytes) {
      write(`b${bytes.length}:`);
      if (bytes.length > buffer.length - used) flush();
      if (bytes.length > buffer.length) state.update(bytes);
      else {
        buffer.set(bytes, used);
        used += bytes.length;
      }
    },
    digest() {
      flush();
      return `sha256:${state.digest("hex")}`;
    },
  };
}
