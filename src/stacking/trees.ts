import { rmSync } from "node:fs";
import { runInWorker, workerFile } from "../core/index.ts";
import type { Namespace } from "./namespace.ts";
import { isPrivileged, openNeededNamespace } from "./open.ts";
import { rename } from "./rename.ts";
import type { treeTasks } from "./tree-worker.ts";

type Tasks = typeof treeTasks;

const entry = workerFile("tree-worker", import.meta.url);

/** Runs one of the tree tasks where it may: in the namespace, or in a worker thread. */
export function runTreeTask<K extends keyof Tasks>(
  namespace: Namespace | undefined,
  task: K,
  input: Parameters<Tasks[K]>[0],
): Promise<Awaited<ReturnType<Tasks[K]>>> {
  return namespace === undefined ? runInWorker(entry, task, input) : namespace.run(entry, task, input);
}

/**
 * Renames a directory: in the namespace, for outside of it even the owner may not when he may not write into it. False when
 * another one, with something in it, has the name already.
 */
export async function moveTree(namespace: Namespace | undefined, from: string, to: string): Promise<boolean> {
  return namespace === undefined ? rename(from, to) : runTreeTask(namespace, "move", { from, to });
}

/** Removes a directory that may have files of subordinate ids; nobody waits for it. */
export function removeTreeLater(namespace: Namespace, path: string): void {
  namespace.leave(entry, "remove", { path });
}

/** Removes a file or directory, in the namespace when it has what this process may not touch. Nothing there is no error. */
export async function removeTree(path: string): Promise<void> {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if ((code !== "EACCES" && code !== "EPERM") || isPrivileged()) throw error;
    const namespace = await openNeededNamespace();
    if (namespace === undefined) throw error;
    await runTreeTask(namespace, "remove", { path });
  }
}
