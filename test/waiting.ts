import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds that a test waits for what has to happen. */
const patience = 30_000;

/** Asks again and again until there is an answer; fails for want of `what`. */
export async function eventually<T>(
  ask: () => Promise<T | undefined> | T | undefined,
  what: string,
): Promise<T> {
  const deadline = performance.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`no ${what} after ${patience} ms`);
    await sleep(50);
  }
}

/** Waits until `find` finds nothing; fails with what is left. */
export async function noneLeft(find: () => readonly unknown[]): Promise<void> {
  const deadline = performance.now() + patience;
  while (find().length > 0 && performance.now() < deadline) await sleep(50);
  assert.deepEqual(find(), []);
}

/** The processes, but this one, whose command line holds a text. Arguments are joined by spaces. */
export function processesWith(text: string): { readonly pid: number; readonly command: string }[] {
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    if (!/^\d+$/.test(name) || pid === process.pid) return [];
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " ");
      return command.includes(text) ? [{ pid, command }] : [];
    } catch {
      return []; // it has just ended
    }
  });
}

/** A TCP port of the loopback address that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
