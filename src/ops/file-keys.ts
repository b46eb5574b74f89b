import { createHash } from "node:crypto";
import { bytePathOf, type Digest, digestOfFields, goText, nameOf } from "../core/index.ts";
import type { CopyAction, FileAction, FileOp } from "../llb/index.ts";
import { hasWildcards, type LocalTree, rowFinder, type SelectionDigest } from "../source/index.ts";
import { followSource, sourcesOf } from "./file-copy.ts";
import { contentDigest, digestOfRows, digestOfSelected, selectedBy } from "./file-digest.ts";
import { type FileInput, openInput, treeOfLocal } from "./file-inputs.ts";
import { withExplanation } from "./file-missing.ts";
import { cleanPath, type Tree } from "./file-tree.ts";

/** Raised when the same definition and content give another layer. */
const keyVersion = 2;

/** Digest of what the op does, sources by full path. */
export function definitionDigest(op: FileOp): Digest {
  return digestOfFields("file", keyVersion, ...op.actions.map((action) => actionText(action, action.action)));
}

/**
 * The same when the sources' content is part of the key beside it: then only the last component of a source's path
 * says something, the name that is made.
 */
export function contentDefinitionDigest(op: FileOp, inputCount: number): Digest {
  const texts = op.actions.map((action) =>
    actionText(
      action,
      action.action.kind === "copy" && action.secondaryInput < inputCount
        ? { ...action.action, src: nameOf(cleanPath(bytePathOf(action.action.src))) }
        : action.action,
    ),
  );
  return digestOfFields("file content", keyVersion, ...texts);
}

function actionText({ input, secondaryInput, output }: FileAction, body: FileAction["action"]): string {
  return textOfFields([input, secondaryInput, output, body]);
}

/** Whoever makes an action puts its members in an order of their own, which says nothing. */
function textOfFields(fields: readonly unknown[]): string {
  return JSON.stringify(fields, (_key, value: unknown) => {
    if (typeof value === "bigint") return String(value);
    if (value instanceof Uint8Array) return createHash("sha256").update(value).digest("hex");
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return goText.sortedMap(value as Readonly<Record<string, unknown>>);
  });
}

/** Inputs that actions change: they count with their own key. */
export function primaryInputs(op: FileOp, inputCount: number): Set<number> {
  return new Set(op.actions.map(({ input }) => input).filter((input) => input >= 0 && input < inputCount));
}

/** Copies from inputs, with the input. */
export function selections(op: FileOp, inputCount: number): { input: number; action: CopyAction }[] {
  return op.actions.flatMap(({ action, secondaryInput: input }) =>
    action.kind === "copy" && input >= 0 && input < inputCount ? [{ input, action }] : [],
  );
}

/** A selection from layers; plain data, for a worker. */
export interface SelectionTask {
  readonly input: FileInput;
  readonly action: CopyAction;
}

/** More files than this are one ingredient. */
const recordedFiles = 500;

/** Digest of what an action copies from layers. Reads files whose digest no index has yet. */
export function digestSelection({ input, action }: SelectionTask): SelectionDigest {
  const from = openInput(input);
  try {
    return selectionDigest(input.name, action, from);
  } catch (error) {
    throw withExplanation(error, action, input, from);
  }
}

/** Digest of what an action copies from a directory of the host. */
export async function digestLocalSelection(
  tree: LocalTree,
  action: CopyAction,
  signal: AbortSignal,
): Promise<SelectionDigest> {
  const name = textOfFields([keyVersion, tree.name, action]);
  const kept = tree.selection(name);
  if (kept !== undefined) return kept;
  const digest = await hashSelection(tree, action, signal);
  tree.keepSelection(name, digest);
  return digest;
}

async function hashSelection(
  tree: LocalTree,
  action: CopyAction,
  signal: AbortSignal,
): Promise<SelectionDigest> {
  const from = treeOfLocal(tree);
  try {
    const directory = wholeDirectory(tree, action);
    if (directory !== undefined) {
      const rows = rangeOf(directory + 1, tree.table.end[directory]!);
      await tree.hash(rows, signal);
      if (tree.table.end[directory]! - directory > recordedFiles) {
        const digest = digestOfRows(tree, directory);
        return { digest, ingredients: [{ name: `${tree.name} ${action.src}`, value: digest }] };
      }
    }
    const rows = selectedBy(from, action).flatMap(({ node }) =>
      node.content?.kind === "host" ? [node.content.row] : [],
    );
    await tree.hash(rows, signal);
    return selectionDigest(tree.name, action, from);
  } catch (error) {
    throw withExplanation(error, action, { kind: "local", ...tree }, from);
  }
}

/** Row of the directory that an action copies as it is, if that is what it does. */
function wholeDirectory(tree: LocalTree, action: CopyAction): number | undefined {
  const source = cleanPath(bytePathOf(action.src));
  const filtered = action.includePatterns.length > 0 || action.excludePatterns.length > 0;
  if (filtered || !action.dirCopyContents || (action.allowWildcard && hasWildcards(source))) return undefined;
  const from = treeOfLocal(tree);
  const path = followSource(from, source, action.followSymlink);
  return from.lookup(path)?.type === "directory" ? rowFinder(tree.table)(path) : undefined;
}

function* rangeOf(start: number, end: number): Generator<number> {
  for (let row = start; row < end; row++) yield row;
}

/**
 * What the sources are. What they select does not tell: an empty directory makes the destination where no match makes
 * nothing, and a file takes the name of a destination below which a directory's file of the same name is put.
 */
function sourceTypes(from: Tree, action: CopyAction): string[] {
  return sourcesOf(from, action).map(
    (source) => from.lookup(followSource(from, source, action.followSymlink))?.type ?? "",
  );
}

function selectionDigest(name: string, action: CopyAction, from: Tree): SelectionDigest {
  const selected = selectedBy(from, action);
  const digest = digestOfFields(...sourceTypes(from, action), digestOfSelected(selected));
  if (selected.length > recordedFiles)
    return { digest, ingredients: [{ name: `${name} ${action.src}`, value: digest }] };
  const ingredients = selected.map((each) => ({
    name: `${name} ${cleanPath(`${bytePathOf(action.src)}/${each.path}`)}`,
    value: contentDigest(each.node),
  }));
  return { digest, ingredients: [{ name: `${name} ${action.src}`, value: digest }, ...ingredients] };
}
