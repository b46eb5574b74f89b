import { readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { BuildError, type BytePath, type Digest, digestOfFields, runInWorker } from "../core/index.ts";
import type { LayerStore } from "../layer/index.ts";
import type { ChownOpt, CopyAction, FileOp, LlbVertex } from "../llb/index.ts";
import type { LayerId, LayerSource } from "../snapshot/index.ts";
import type { CacheKey, Ingredient, JobContext, Op } from "../solver/index.ts";
import { type FileInput, openInput } from "./file-inputs.ts";
import {
  contentDefinitionDigest,
  definitionDigest,
  digestLocalSelection,
  digestSelection,
  primaryInputs,
  type SelectionDigest,
  type SelectionTask,
  selections,
} from "./file-keys.ts";
import { readNode, resolveOwner } from "./file-owner.ts";
import { type FileRun, type FileRunResult, runFileOp } from "./file-run.ts";
import { answersAlike } from "./file-staging.ts";
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
  /** Tells where else a missing source exists (`it is in stage build`), if that is cheap to know. */
  readonly elsewhere?: (source: string) => Promise<string | undefined>;
}

/** Copies up to this size are made right here; starting a worker costs more. */
const inlineEntries = 2000;
const inlineBytes = 8 << 20;

/** Alternatives that are kept for one layer key, and the answers that each may have. */
const keptLayers = 8;
const keptVisits = 2000;

const worker = new URL(
  import.meta.url.endsWith(".ts") ? "./file-worker.ts" : "./file-worker.js",
  import.meta.url,
);

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
  return {
    weight: 1,
    async definitionKey(inputKeys) {
      if (inputKeys.some((key) => key === undefined)) return undefined;
      const definition = definitionDigest(op);
      return keyOf([{ name: "definition", value: definition }, ...inputIngredients(inputKeys)]);
    },
    contentKey: (inputs, inputKeys, context) =>
      contentKey({ op, names, dependencies, inputs, context, digests }, inputKeys),
    exec: (inputs, context) => execute({ op, names, dependencies, inputs, context, digests }),
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

/** An op with its inputs in hand. */
interface Work {
  readonly op: FileOp;
  /** What messages call the inputs. */
  readonly names: readonly string[];
  readonly dependencies: FileOpDependencies;
  readonly inputs: readonly Ref[];
  readonly context: JobContext;
  /** What was digested already: the content key and the layer key have parts in common. */
  readonly digests: Map<CopyAction, Promise<SelectionDigest>>;
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

async function selectionDigests(work: Work, wanted: (input: number) => boolean): Promise<SelectionDigest[]> {
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
  const place = error.hint?.startsWith("it is excluded") ? undefined : await elsewhere(source);
  if (place === undefined) return error;
  return new BuildError(error.code, error.message, { hint: place, cause: error.cause });
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

const everything = {
  kind: "copy",
  src: "/",
  dest: "/",
  mode: -1,
  modeStr: "",
  followSymlink: false,
  dirCopyContents: true,
  attemptUnpack: false,
  createDestPath: true,
  allowWildcard: false,
  allowEmptyWildcard: false,
  timestamp: -1n,
  includePatterns: [],
  excludePatterns: [],
  requiredPaths: [],
  alwaysReplaceExistingDestPaths: false,
} as const;

/** Ids that owner names stand for, where they are looked up in an input that is wanted. */
async function ownerIds(work: Work, wanted: (input: number) => boolean): Promise<Ingredient[]> {
  const { op, inputs } = work;
  const found: Ingredient[] = [];
  for (const [i, { action }] of op.actions.entries()) {
    const owner = action.kind === "rm" ? undefined : action.owner;
    const inputsOfNames = namedInputs(owner);
    if (
      inputsOfNames.length === 0 ||
      !inputsOfNames.some((input) => inputs[input] !== undefined && wanted(input))
    )
      continue;
    const trees = new Map<number, FileInput>();
    for (const input of inputsOfNames)
      if (inputs[input] !== undefined) trees.set(input, await inputOf(work, input));
    const empty: FileInput = { kind: "layers", name: "", sources: [] };
    const ids = resolveOwner(
      owner,
      (input) => openInput(trees.get(input) ?? empty),
      readNode,
      () => {},
    );
    found.push({ name: `owner ${i}`, value: `${ids?.uid}:${ids?.gid}` });
  }
  return found;
}

function namedInputs(owner: ChownOpt | undefined): number[] {
  return [owner?.user, owner?.group].flatMap((option) => (option?.kind === "name" ? [option.input] : []));
}

async function inputOf({ dependencies, names, inputs }: Work, index: number): Promise<FileInput> {
  const ref = inputs[index]!;
  const name = ref.kind === "tree" ? ref.tree.name : (names[index] ?? `input ${index}`);
  if (ref.kind === "tree") {
    const { root, table, digests, exclude } = ref.tree;
    return { kind: "local", name, root, table, digests, exclude };
  }
  const sources: readonly LayerSource[] = await dependencies.layers.sources(ref.snapshot);
  return { kind: "layers", name, sources };
}

function entriesOf({ layers }: FileOpDependencies, ref: Ref): number {
  if (ref.kind === "tree") return ref.tree.entryCount;
  return ref.snapshot.layers.reduce((sum, id) => sum + (layers.record(id)?.entryCount ?? 0), 0);
}

async function execute(work: Work): Promise<readonly Ref[]> {
  const { op, dependencies, inputs, context } = work;
  const key = await layerKey(work);
  const reused = key && (await reuseLayer(work, key));
  if (reused) return [reused];
  const outputs = 1 + Math.max(...op.actions.map((action) => action.output));
  const run: FileRun = {
    actions: op.actions,
    inputs: await Promise.all(inputs.map((_, i) => inputOf(work, i))),
    files: Array.from({ length: outputs }, () => dependencies.content.temporary()),
  };
  const result = await runWhereItFits(work, run);
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
  if (isSmall(work)) return runFileOp(run);
  try {
    return await runInWorker<FileRunResult>(worker, "run", run, { signal: work.context.signal });
  } catch (error) {
    // An abort ends the thread in the middle of its work.
    for (const file of run.files) removeBeginningWith(file);
    throw error;
  }
}

/** Removes a temporary file and those that were put beside it under longer names. */
function removeBeginningWith(file: string): void {
  for (const name of readdirSync(dirname(file)))
    if (name.startsWith(basename(file))) rmSync(join(dirname(file), name), { force: true });
}

function layersOf(ref: Ref | undefined): readonly LayerId[] {
  return ref?.kind === "snapshot" ? ref.snapshot.layers : [];
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

/** Key of the layer alone; `undefined` when it cannot stand on another base, or there is no cache. */
async function layerKey(work: Work): Promise<Digest | undefined> {
  const { op, dependencies, inputs } = work;
  const primary = primaryInputs(op, inputs.length);
  const single = op.actions.filter((action) => action.output >= 0).length === 1;
  const mixed = selections(op, inputs.length).some(({ input }) => primary.has(input));
  const onTree = [...primary].some((input) => inputs[input]?.kind === "tree");
  if (dependencies.layerCache === undefined || !single || mixed || onTree) return undefined;
  const selected = await selectionDigests(work, () => true);
  const owners = await ownerIds(work, () => true);
  return digestOfFields(
    "file layer",
    contentDefinitionDigest(op, inputs.length),
    ...selected.map(({ digest }) => digest),
    ...owners.flatMap(({ name, value }) => [name, value]),
  );
}

/** Puts a layer of an earlier build on today's base, if the base looks the same where it matters. */
async function reuseLayer({ op, dependencies, inputs }: Work, key: Digest): Promise<Ref | undefined> {
  const cached = await dependencies.layerCache!.get(key);
  const alive = cached.filter(({ layer }) => dependencies.layers.record(layer) !== undefined);
  if (alive.length === 0) return undefined;
  const layers = layersOf(baseOf(op, inputs));
  const sources = await dependencies.layers.sources({ layers });
  const lower = openInput({ kind: "layers", name: "", sources });
  const match = alive.find(({ visits }) => answersAlike(lower, visits));
  return match && { kind: "snapshot", snapshot: { layers: [...layers, match.layer] } };
}

/** What the only output stands on. */
function baseOf(op: FileOp, refs: readonly Ref[]): Ref | undefined {
  let input = op.actions.find((action) => action.output >= 0)!.input;
  while (input >= refs.length) input = op.actions[input - refs.length]!.input;
  return refs[input];
}

async function rememberLayer(
  { layerCache }: FileOpDependencies,
  key: Digest,
  { outputs }: FileRunResult,
  made: readonly Ref[],
): Promise<void> {
  const visits = outputs[0]?.visits;
  const layer = layersOf(made[0]).at(-1);
  if (visits === undefined || visits.length > keptVisits || layer === undefined) return;
  const before = await layerCache!.get(key);
  await layerCache!.put(key, [{ layer, visits }, ...before].slice(0, keptLayers));
}
