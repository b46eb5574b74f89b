import { runInWorker, workerFile } from "../core/index.ts";
import type { Namespace } from "../stacking/index.ts";
import type { layerTasks } from "./tasks.ts";

type Tasks = typeof layerTasks;

/** Up to so many entries a walk is quicker than starting a worker, and packing them too if they are small. */
export const inlineEntries = 1000;
export const inlineBytes = 4 << 20;

const entry = workerFile("layer-worker", import.meta.url);

/** Runs one of the layer tasks in a worker thread. */
export function runLayerTask<K extends keyof Tasks>(
  task: K,
  input: Parameters<Tasks[K]>[0],
  signal?: AbortSignal,
): Promise<Awaited<ReturnType<Tasks[K]>>> {
  return runInWorker(entry, task, input, { signal });
}

/** The same, inside the user namespace where there is one. */
export function runLayerTaskIn<K extends keyof Tasks>(
  namespace: Namespace | undefined,
  task: K,
  input: Parameters<Tasks[K]>[0],
  signal?: AbortSignal,
): Promise<Awaited<ReturnType<Tasks[K]>>> {
  return namespace === undefined
    ? runLayerTask(task, input, signal)
    : namespace.run(entry, task, input, signal);
}
