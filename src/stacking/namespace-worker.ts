/**
 * The process that keeps a user namespace and works inside it (see namespace.ts). It ends with the process outside: at
 * once, but for what was left to it to finish.
 */
import { carriedError, runInWorker } from "../core/index.ts";
import type { InsideReply, InsideRequest } from "./namespace-messages.ts";

const running = new Map<number, AbortController>();
const finishing = new Set<number>();
let alone = false;

process.on("message", (request: InsideRequest) => {
  if (request.kind === "cancel") running.get(request.id)?.abort();
  else if (request.kind === "signal") signal(request.pid, request.signal);
  else void work(request);
});

process.on("disconnect", () => {
  alone = true;
  endWhenAlone();
});

process.send?.({ id: -1, value: "started" } satisfies InsideReply);

async function work({ id, entry, task, input, finish }: InsideRequest & { kind: "task" }): Promise<void> {
  const abort = new AbortController();
  running.set(id, abort);
  if (finish) finishing.add(id);
  try {
    reply({ id, value: await runInWorker(new URL(entry), task, input, { signal: abort.signal }) });
  } catch (error) {
    reply({ id, error: carriedError(error) });
  } finally {
    running.delete(id);
    finishing.delete(id);
    endWhenAlone();
  }
}

function reply(message: InsideReply): void {
  if (process.connected) process.send?.(message, () => {});
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone.
  }
}

function endWhenAlone(): void {
  if (alone && finishing.size === 0) process.exit(0);
}
