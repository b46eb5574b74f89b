import { type Digest, digestOfFields } from "../core/index.ts";
import type { FileOp } from "../llb/index.ts";
import { openInput } from "./file-inputs.ts";
import { contentDefinitionDigest, primaryInputs, selections } from "./file-keys.ts";
import type { FileRunResult } from "./file-run.ts";
import { answersAlike } from "./file-staging.ts";
import { type FileOpDependencies, layersOf, ownerIds, selectionDigests, type Work } from "./file-work.ts";
import type { Ref } from "./ref.ts";

/** Alternatives that are kept for one layer key, and the answers that each may have. */
const keptLayers = 8;
const keptVisits = 2000;

/** Key of the layer alone; `undefined` when it cannot stand on another base, or there is no cache. */
export async function layerKey(work: Work): Promise<Digest | undefined> {
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
export async function reuseLayer({ op, dependencies, inputs }: Work, key: Digest): Promise<Ref | undefined> {
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

/** Keeps a layer under its layer key, with what the base answered, where that is little enough to be worth it. */
export async function rememberLayer(
  { layerCache }: FileOpDependencies,
  key: Digest,
  { outputs }: Pick<FileRunResult, "outputs">,
  made: readonly Ref[],
): Promise<void> {
  const visits = outputs[0]?.visits;
  const layer = layersOf(made[0]).at(-1);
  if (visits === undefined || visits.length > keptVisits || layer === undefined) return;
  const before = await layerCache!.get(key);
  await layerCache!.put(key, [{ layer, visits }, ...before].slice(0, keptLayers));
}
