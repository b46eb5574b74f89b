import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sweep } from "./state-dir.ts";
import { cannotRunWith } from "./testing/busybox.ts";
import { processesWith } from "./testing/processes.ts";
import { type Outcome, openWorkshop, type StepOptions, type Workshop } from "./testing/steps.ts";

/** A duration that no other process on the machine sleeps for. */
const longSleep = `98765.${process.pid}`;

for (const runtime of ["crun", "runc"])
  describe(runtime, { skip: cannotRunWith(runtime) }, () => {
    let shop: Workshop;
    let ownId: string;
    before(async () => {
      shop = await openWorkshop(runtime);
      ownId = ownDirectories(shop.stateDir)[0]!;
    });
    after(() => {
      for (const builder of builders.splice(0)) builder.kill("SIGKILL");
      shop.close();
    });

    /** Runs a step, aborts it at its first output, and tells how long that took in ms. */
    async function abortAtOutput(
      command: string,
      options: StepOptions = {},
    ): Promise<{ took: number; output: string }> {
      const controller = new AbortController();
      let aborted = 0;
      let output = "";
      const outcome: Promise<Outcome> = shop.step(command, {
        ...options,
        signal: controller.signal,
        onOutput: (stream, data) => {
          output += Buffer.from(data).toString();
          if (aborted !== 0) return;
          aborted = performance.now();
          controller.abort();
          options.onOutput?.(stream, data);
        },
      });
      await assert.rejects(outcome, { code: "canceled" });
      return { took: performance.now() - aborted, output };
    }

    test("a step that has nothing to clean up ends at once", async () => {
      const { took } = await abortAtOutput(
        `echo go; (setsid sleep ${longSleep} &); sleep ${longSleep}; echo never`,
      );
      assert.ok(took < 9000, `took ${took} ms`);
      assert.deepEqual(processesWith(longSleep), []);
    });

    test("a step that handles TERM may clean up", async () => {
      const { took, output } = await abortAtOutput(
        `trap 'sleep 0.3; echo cleaned; exit 1' TERM; echo go; sleep ${longSleep} & wait`,
      );
      assert.equal(output, "go\ncleaned\n");
      assert.ok(took < 9000, `took ${took} ms`);
      assert.deepEqual(processesWith(longSleep), []);
    });

    test("kill() ends what would not", async () => {
      const handler = `trap 'echo no' TERM; echo go; while :; do sleep 0.1; done`;
      const { took } = await abortAtOutput(handler, {
        onOutput: () => void setTimeout(() => shop.executor.kill(), 300),
      });
      assert.ok(took > 200 && took < 9000, `took ${took} ms`);
    });

    test("an abort before the start runs nothing", async () => {
      await assert.rejects(shop.step("echo x", { signal: AbortSignal.abort() }), { code: "canceled" });
    });

    test("an abort while the step is set up leaves nothing", async () => {
      for (const delay of [0, 5, 15, 30]) {
        const controller = new AbortController();
        const outcome = shop.step(`sleep ${longSleep}`, { signal: controller.signal });
        setTimeout(() => controller.abort(), delay);
        await assert.rejects(outcome, { code: "canceled" });
        assert.deepEqual(processesWith(longSleep), []);
      }
    });

    test("nothing outlives a builder that is killed, and a sweep removes its files", async () => {
      const builder = startBuilder(
        shop,
        runtime,
        `(setsid sleep ${longSleep} >/dev/null 2>&1 &); echo started; sleep ${longSleep}`,
      );
      await output(builder, "started");
      await waitFor(() => processesWith(`sleep\0${longSleep}\0`).length === 2);
      const before = mountsBelow(shop.base);
      const [own] = ownDirectories(shop.stateDir).filter((id) => id !== ownId);
      sweep(shop.stateDir);
      assert.equal(ownDirectories(shop.stateDir).length, 2, "a living builder's files stay");

      builder.kill("SIGKILL");
      await waitFor(() => processesWith(longSleep).length === 0);
      assert.deepEqual(before, [], "a step mounts nothing that the host sees");
      await waitFor(() => {
        sweep(shop.stateDir);
        return ownDirectories(shop.stateDir).length === 1 && controlGroups(own!).length === 0;
      });
      await waitFor(() => readdirSync(join(shop.stateDir, "..", "trash")).length === 0);
    });

    test("a builder killed at any moment leaves no process", async () => {
      for (const delay of [60, 75, 90, 105, 120, 135, 150]) {
        const builder = startBuilder(shop, runtime, `sleep ${longSleep}`);
        await sleep(delay);
        builder.kill("SIGKILL");
      }
      await waitFor(() => processesWith(longSleep).length === 0);
      await waitFor(() => {
        sweep(shop.stateDir);
        return ownDirectories(shop.stateDir).length === 1;
      });
    });

    function controlGroups(id: string): string[] {
      return readdirSync("/sys/fs/cgroup").flatMap((hierarchy) => {
        const parent = join("/sys/fs/cgroup", hierarchy, "stagewright");
        return existsSync(parent) ? readdirSync(parent).filter((name) => name.includes(id)) : [];
      });
    }
  });

const builders: ChildProcess[] = [];

function startBuilder(shop: Workshop, runtime: string, command: string): ChildProcess {
  const program = join(import.meta.dirname, "testing/killed-builder.ts");
  const builder = spawn(process.execPath, [program, shop.stateDir, shop.busybox, runtime, command], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  builders.push(builder);
  return builder;
}

function output(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = "";
    child.stdout!.on("data", (data: Buffer) => {
      seen += data.toString();
      if (seen.includes(text)) resolve();
    });
    child.on("exit", () => reject(new Error(`ended after printing ${JSON.stringify(seen)}`)));
  });
}

async function waitFor(condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (condition()) return;
    await sleep(50);
  }
  assert.fail("not after five seconds");
}

function ownDirectories(stateDir: string): string[] {
  return readdirSync(stateDir).filter((name) => name !== "shared");
}

function mountsBelow(directory: string): string[] {
  return readFileSync("/proc/self/mounts", "latin1")
    .split("\n")
    .filter((line) => line.includes(directory));
}
