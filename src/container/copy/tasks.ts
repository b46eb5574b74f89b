import { type Extracted, type ExtractTask, extractTree } from "./extract.ts";
import { type PackTask, packTree } from "./pack.ts";
import { pipeSource } from "./stream.ts";

/** What is done on this machine's side, in a worker thread: it waits for the other side of a pipe. */
export const copyTasks = {
  pack({ task, fd }: { readonly task: PackTask; readonly fd: number }): number {
    return packTree(task, fd);
  },
  extract({ task, fd }: { readonly task: ExtractTask; readonly fd: number }): Extracted {
    return extractTree(task, pipeSource(fd));
  },
};

/** What is done on the container's side, by a process that can see nothing else. */
export type ContainerTask =
  | { readonly kind: "pack"; readonly task: PackTask }
  | { readonly kind: "extract"; readonly task: ExtractTask };

/** What that process says at its end, on stderr. */
export type ContainerReply =
  | { readonly value: number | Extracted }
  | { readonly error: { readonly code: string; readonly message: string; readonly hint?: string } };
