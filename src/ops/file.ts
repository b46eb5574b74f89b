import { type Digest, digestOfFields, runInWorker } from "../core/index.ts";
import { type CopyAction, type FileOp, type LlbVertex, plainCopy } from "../llb/index.ts";
import type { CacheKey, Ingredient, Op } from "../solver/index.ts";
import type { SelectionDigest } from "../source/index.ts";
import { type Ahead, discardAhead, discardFiles, fileRun, packAhead } from "./file-ahead.ts";
import {
  contentDefinitionDigest,
  definitionDigest,
  digestLocalSelection,
  primaryInputs,
  selections,
} from "./file-keys.ts";
import { layerKey, rememberLayer, reuseLayer } from "./file-reuse.ts";
import type { FileRun, FileRunResult } from "./file-run.ts";
import {
  entriesOf,
  type FileOpDependencies,
  inlineBytes,
  inlineEntries,
  layersOf,
  ownerIds,
  selectionDigests,
  type Work,
  worker,
} from "./file-work.ts";
import type { Ref } from "./ref.ts";

export type { CachedLayer, FileOpDependencies, LayerCache } from "./file-work.ts";

/**
 * An LLB file op: copy, mkdir, mkfile, rm and symlink, carried out over the indexes of its inputs, without a mount. Each output is
 * the base's layers and one new layer, which is empty when nothing changed (as BuildKit counts layers).
 *
 * `names` says what messages call the inputs.
 *
 * Keys: the definition key is the actions and the inputs' keys. The content key has, instead of the keys of inputs that are only
 * copied from, the digests of what is copied.
 */
export function fileOp(op: FileOp, dependencies: FileOpDependencies, names: readonly string[] = []): Op<Ref> {
  const digests = new Map<CopyAction, Promise<SelectionDigest>>();
  let ahead: Ahead | undefined;
  return {
    weight: 1,
    async definitionKey(inputKeys) {
      if (inputKeys.some((key) => key === undefined)) return undefined;
      const definition = definitionDigest(op);
      return keyOf([{ name: "definition", value: definition }, ...inputIngredients(inputKeys)]);
    },
    async contentKey(inputs, inputKeys, context) {
      const work = { op, names, dependencies, inputs, context, digests };
      ahead = await packAhead(work);
      return contentKey(work, inputKeys);
    },
    exec: (inputs, context) => execute({ op, names, dependencies, inputs, context, digests }, ahead),
    abandon() {
      if (ahead !== undefined) discardAhead(ahead);
    },
  };
}

/** What messages call the inputs of a vertex: `context` for a directory of the caller, else the step that made it. */
export function inputNames(vertex: LlbVertex): string[] {
  return vertex.inputs.map((input) => {
    const { body } = input.vertex.op;
    const local = body?.kind === "source" ? /^local:\/\/(.*)$/.exec(body.identifier) : null;
    return local?.[1] ?? input.vertex.metadata.name;
  });
}

function keyOf(parts: readonly Ingredient[], more: readonly Ingredient[] = []): CacheKey {
  const key = digestOfFields("file op", ...parts.flatMap(({ name, value }) => [name, value]));
  return { key, ingredients: [...parts, ...more] };
}

function inputIngredients(keys: readonly (Digest | undefined)[], only?: ReadonlySet<number>): Ingredient[] {
  return keys.flatMap((value, i) =>
    value === undefined || (only !== undefined && !only.has(i)) ? [] : [{ name: `input ${i}`, value }],
  );
}

async function contentKey(
  work: Work,
  inputKeys: readonly (Digest | undefined)[],
): Promise<CacheKey | undefined> {
  const { op, inputs } = work;
  const primary = primaryInputs(op, inputs.length);
  for (const input of primary)
    if (inputKeys[input] === undefined && inputs[input]?.kind === "snapshot") return undefined;
  const selected = await selectionDigests(work, (input) => !primary.has(input));
  return keyOf(
    [
      { name: "definition", value: contentDefinitionDigest(op, inputs.length) },
      ...inputIngredients(inputKeys, primary),
      ...selected.map(({ digest }, i) => ({ name: `selection ${i}`, value: digest })),
      ...(await wholeTrees(work, primary)),
      ...(await ownerIds(work, (input) => !primary.has(input))),
    ],
    selected.flatMap(({ ingredients }) => ingredients),
  );
}

/** Local directories that actions change: they have no key but their content. */
async function wholeTrees({ inputs, context }: Work, primary: ReadonlySet<number>): Promise<Ingredient[]> {
  const found: Ingredient[] = [];
  for (const input of primary) {
    const ref = inputs[input]!;
    if (ref.kind !== "tree") continue;
    const { digest } = await digestLocalSelection(ref.tree, everything, context.signal);
    found.push({ name: `${ref.tree.name} as input ${input}`, value: digest });
  }
  return found;
}

const everything = { ...plainCopy, dirCopyContents: true };

async function execute(work: Work, ahead: Ahead | undefined): Promise<readonly Ref[]> {
  const { dependencies, inputs, context } = work;
  const key = await layerKey(work);
  const reused = key && (await reuseLayer(work, key));
  if (reused) {
    if (ahead !== undefined) discardAhead(ahead);
    return [reused];
  }
  const result = ahead ?? (await runWhereItFits(work, await fileRun(work)));
  for (const warning of result.warnings)
    context.emit({ kind: "warning", vertex: context.vertex, level: 1, short: warning });
  const made: Ref[] = [];
  for (const { packed, base } of result.outputs) {
    const layer = await dependencies.layers.adoptPacked(packed);
    made.push({ kind: "snapshot", snapshot: { layers: [...layersOf(inputs[base]), layer] } });
  }
  if (key !== undefined) await rememberLayer(dependencies, key, result, made);
  return made;
}

async function runWhereItFits(work: Work, run: FileRun): Promise<FileRunResult> {
  if (isSmall(work)) {
    const { runFileOp } = await import("./file-run.ts"); // a build whose steps are cached does not need it
    return runFileOp(run);
  }
  try {
    return await runInWorker<FileRunResult>(worker, "run", run, { signal: work.context.signal });
  } catch (error) {
    // An abort ends the thread in the middle of its work.
    discardFiles(run.files);
    throw error;
  }
}

/** Judged by all that the op could copy; unpacking is never small. */
function isSmall({ op, dependencies, inputs }: Work): boolean {
  if (op.actions.some(({ action }) => action.kind === "copy" && action.attemptUnpack)) return false;
  const sources = new Set(selections(op, inputs.length).map(({ input }) => inputs[input]!));
  let entries = 0;
  let bytes = 0;
  for (const ref of sources) {
    entries += entriesOf(dependencies, ref);
    bytes += bytesOf(dependencies, ref);
  }
  return entries <= inlineEntries && bytes <= inlineBytes;
}

function bytesOf({ layers }: FileOpDependencies, ref: Ref): number {
  if (ref.kind === "tree") return ref.tree.size;
  return ref.snapshot.layers.reduce((sum, id) => sum + (layers.record(id)?.contentSize ?? 0), 0);
}
