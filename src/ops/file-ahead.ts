import { readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { runInWorker } from "../core/index.ts";
import { selections } from "./file-keys.ts";
import { planReadAhead } from "./file-read-ahead.ts";
import type { FileRun, FileRunResult } from "./file-run.ts";
import { inlineBytes, inlineEntries, inputOf, type Work, worker } from "./file-work.ts";

/** What an op made before its key was known. */
export type Ahead = Pick<FileRunResult, "outputs" | "warnings">;

/**
 * The key of a copy from a large directory of the host speaks of every file's content. When the store never saw that
 * directory, nothing can be found under the key, most likely: so the layer is packed first, which reads each file once for both,
 * and the digests are taken from it. `undefined` where that is no good idea, or fails: the usual way, key first,
 * comes to the same result or says what is wrong.
 */
export async function packAhead(work: Work): Promise<Ahead | undefined> {
  const { op, inputs, context } = work;
  const copied = selections(op, inputs.length);
  const trees = new Set(copied.flatMap(({ input }) => (inputs[input]!.kind === "tree" ? [input] : [])));
  const [input, ...others] = trees;
  const ref = input === undefined ? undefined : inputs[input];
  if (ref?.kind !== "tree" || others.length > 0 || copied.some(({ action }) => action.attemptUnpack))
    return undefined;
  const { tree } = ref;
  if (tree.entryCount <= inlineEntries && tree.size <= inlineBytes) return undefined;
  if (!tree.isUnknown()) return undefined;

  const ahead = planReadAhead(tree);
  const run = { ...(await fileRun(work)), ahead };
  const discard = () => discardFiles(run.files);
  context.signal.addEventListener("abort", discard, { once: true });
  const begin = Date.now();
  const options = { signal: context.signal };
  try {
    const packing = runInWorker<FileRunResult>(worker, "run", run, options);
    // Its end is of no interest: what it did not read, the packer reads.
    runInWorker(worker, "readAhead", ahead, options).catch(() => undefined);
    const result = await packing;
    tree.learn(result.read, begin);
    return result;
  } catch (error) {
    discard();
    if (context.signal.aborted) throw error;
    return undefined;
  }
}

/** The op as data, for `runFileOp`. */
export async function fileRun(work: Work): Promise<FileRun> {
  const { op, inputs, dependencies } = work;
  const outputs = 1 + Math.max(...op.actions.map((action) => action.output));
  return {
    actions: op.actions,
    inputs: await Promise.all(inputs.map((_, i) => inputOf(work, i))),
    files: Array.from({ length: outputs }, () => dependencies.content.temporary()),
  };
}

/** Removes what a run wrote and nobody adopted. */
export function discardAhead({ outputs }: Ahead): void {
  discardFiles(outputs.map(({ packed }) => packed.file));
}

/** Removes temporary files and those that were put beside them under longer names. */
export function discardFiles(files: readonly string[]): void {
  for (const file of files)
    for (const name of readdirSync(dirname(file)))
      if (name.startsWith(basename(file))) rmSync(join(dirname(file), name), { force: true });
}
