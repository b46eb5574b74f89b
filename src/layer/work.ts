import { runInWorker } from "../core/index.ts";
import type { layerTasks } from "./tasks.ts";

type Tasks = typeof layerTasks;

const entry = new URL(
  import.meta.url.endsWith(".ts") ? "./layer-worker.ts" : "./layer-worker.js",
  import.meta.url,
);

/** Runs one of the layer tasks in a worker thread. */
export function runLayerTask<K extends keyof Tasks>(
  task: K,
  input: Parameters<Tasks[K]>[0],
  signal?: AbortSignal,
): Promise<Awaited<ReturnType<Tasks[K]>>> {
  return runInWorker(entry, task, input, { signal });
}
