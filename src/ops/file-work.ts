import { BuildError, type BytePath, type Digest, runInWorker, workerFile } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { CopyAction, FileOp } from "../llb/index.ts";
import type { LayerId, LayerSource } from "../snapshot/index.ts";
import type { Ingredient, JobContext } from "../solver/index.ts";
import type { SelectionDigest } from "../source/index.ts";
import { type FileInput, openInput } from "./file-inputs.ts";
import { digestLocalSelection, digestSelection, type SelectionTask, selections } from "./file-keys.ts";
import { namedInputs, resolveOwner } from "./file-owner.ts";
import type { Ref } from "./ref.ts";

/** A layer that a file op made, with what the base it was made for answered where the op looked. JSON. */
export interface CachedLayer {
  readonly layer: LayerId;
  /** Paths (names in a directory, where one ends in a slash) and what was there. */
  readonly visits: readonly (readonly [BytePath, string])[];
}

/**
 * Layers by layer key: what was copied, how, and for which owner, but not onto what. A layer found here is put on
 * today's base when that base gives the same answers, which gives every COPY what `--link` promises.
 */
export interface LayerCache {
  /** Newest first. */
  get(key: Digest): Promise<readonly CachedLayer[]>;
  put(key: Digest, layers: readonly CachedLayer[]): Promise<void>;
}

export interface FileOpDependencies {
  readonly layers: Pick<LayerStore, "adoptPacked" | "record" | "sources">;
  /** Gives fresh temporary paths on the store's filesystem. */
  readonly content: { temporary(): string };
  /** Left out where the cache is not to be used. */
  readonly layerCache?: LayerCache;
  /** Tells where else a missing source exists (`it is in stage build`), if that is cheap to know. `hinted`: there is advice. */
  readonly elsewhere?: (source: string, hint: string | undefined) => Promise<string | undefined>;
}

/** An op with its inputs in hand. */
export interface Work {
  readonly op: FileOp;
  /** What messages call the inputs. */
  readonly names: readonly string[];
  readonly dependencies: FileOpDependencies;
  readonly inputs: readonly Ref[];
  readonly context: JobContext;
  /** What was digested already: the content key and the layer key have parts in common. */
  readonly digests: Map<CopyAction, Promise<SelectionDigest>>;
}

/** Work up to this many entries is done right here; starting a worker costs more. */
export const inlineEntries = 2000;
/** Bytes that are copied right here rather than in a worker. */
export const inlineBytes = 8 << 20;

export const worker = workerFile("file-worker", import.meta.url);

/** Digests of what is copied from the inputs that are wanted. A source that is missing is looked for elsewhere. */
export async function selectionDigests(
  work: Work,
  wanted: (input: number) => boolean,
): Promise<SelectionDigest[]> {
  const { op, dependencies, inputs, digests } = work;
  const found: SelectionDigest[] = [];
  for (const { input, action } of selections(op, inputs.length)) {
    if (!wanted(input)) continue;
    const digest = digests.get(action) ?? digestOfSelection(work, input, action);
    digests.set(action, digest);
    try {
      found.push(await digest);
    } catch (error) {
      throw await withElsewhere(error, action.src, dependencies);
    }
  }
  return found;
}

async function digestOfSelection(work: Work, input: number, action: CopyAction): Promise<SelectionDigest> {
  const { dependencies, inputs, context } = work;
  const ref = inputs[input]!;
  if (ref.kind === "tree") return digestLocalSelection(ref.tree, action, context.signal);
  const task: SelectionTask = { input: await inputOf(work, input), action };
  if (entriesOf(dependencies, ref) <= inlineEntries) return digestSelection(task);
  return runInWorker(worker, "digest", task, { signal: context.signal });
}

async function withElsewhere(
  error: unknown,
  source: string,
  { elsewhere }: FileOpDependencies,
): Promise<unknown> {
  if (!(error instanceof BuildError) || error.code !== "not-found" || elsewhere === undefined) return error;
  const place = await elsewhere(source, error.hint);
  if (place === undefined) return error;
  return new BuildError(error.code, error.message, { hint: place, cause: error.cause });
}

/** Ids that owner names stand for, where they are looked up in an input that is wanted. */
export async function ownerIds(work: Work, wanted: (input: number) => boolean): Promise<Ingredient[]> {
  const { op, inputs } = work;
  const found: Ingredient[] = [];
  for (const [i, { action }] of op.actions.entries()) {
    const named = namedInputs(action).filter((input) => inputs[input] !== undefined);
    if (action.kind === "rm" || !named.some(wanted)) continue;
    const trees = new Map<number, FileInput>();
    for (const input of named) trees.set(input, await inputOf(work, input));
    const empty: FileInput = { kind: "layers", name: "", sources: [] };
    const ids = resolveOwner(
      action.owner,
      (input) => openInput(trees.get(input) ?? empty),
      () => {},
    );
    found.push({ name: `owner ${i}`, value: `${ids?.uid}:${ids?.gid}` });
  }
  return found;
}

/** An input as data, for a worker. */
export async function inputOf({ dependencies, names, inputs }: Work, index: number): Promise<FileInput> {
  const ref = inputs[index]!;
  const name = ref.kind === "tree" ? ref.tree.name : (names[index] ?? `input ${index}`);
  if (ref.kind === "tree") {
    const { root, table, digests, exclude } = ref.tree;
    return { kind: "local", name, root, table, digests, exclude };
  }
  const sources: readonly LayerSource[] = await dependencies.layers.sources(ref.snapshot);
  return { kind: "layers", name, sources };
}

/** How many entries an input has. */
export function entriesOf({ layers }: FileOpDependencies, ref: Ref): number {
  if (ref.kind === "tree") return ref.tree.entryCount;
  return ref.snapshot.layers.reduce((sum, id) => sum + (layers.record(id)?.entryCount ?? 0), 0);
}

/** The layers that an input consists of; none for a directory of the host. */
export function layersOf(ref: Ref | undefined): readonly LayerId[] {
  return ref?.kind === "snapshot" ? ref.snapshot.layers : [];
}
