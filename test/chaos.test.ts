import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startRegistry } from "../src/registry/testing/index.ts";
import { createSandbox, isRoot, type Output } from "./sandbox.ts";
import { noneLeft, processesWith } from "./waiting.ts";

const kills = 100;
/** Nothing else on the machine sleeps for so long: a process with it in its command line is a left-over. */
const marker = "86397";

const sandbox = createSandbox("chaos");

/** Deterministic, so that a failure can be looked at again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function leftOvers(): string[] {
  const steps = processesWith(`sleep ${marker}`);
  const runtimes = processesWith(sandbox.store).filter(({ command }) => command.includes("crun"));
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return [
    ...[...steps, ...runtimes].map(({ command }) => command),
    ...mounts.filter((line) => line.includes(sandbox.store)),
  ];
}

function blobFiles(): string {
  const files = [...Array(400).keys()].map((i) => [`dir${i % 7}/file${i}`, `${i} `.repeat(5000)] as const);
  return sandbox.files("pack", {
    ...Object.fromEntries(files),
    Dockerfile: "FROM busybox\nARG ROUND\nLABEL round=$ROUND\nWORKDIR /round/$ROUND\nCOPY . .\n",
  });
}

describe("killed at any moment", { skip: isRoot ? false : "RUN needs root" }, () => {
  let registry: Awaited<ReturnType<typeof startRegistry>>;
  let pulled: string;
  before(async () => {
    await sandbox.ok(["bootstrap", "busybox"]);
    registry = await startRegistry();
    const pack = blobFiles();
    await sandbox.ok(["build", "-q", "-o", `type=docker,dest=${sandbox.directory}/big.tar,name=big:1`, pack]);
    pulled = await registry.push(`docker-archive:${sandbox.directory}/big.tar`, "big:1");
  });
  after(() => registry.stop());

  test(`${kills} kills while another build runs`, async (t) => {
    const next = random(20_26);
    const pack = blobFiles();
    const run = sandbox.files("run", {
      Dockerfile: `FROM busybox
ARG ROUND
RUN (setsid sleep ${marker} >/dev/null 2>&1 &) ; echo $ROUND > /round; dd if=/dev/zero of=/big bs=1M count=20 2>/dev/null; sleep 0.2
RUN setsid sleep ${marker} & sleep 0.1
`,
    });
    const commit = sandbox.files("commit", {
      Dockerfile: `FROM busybox\nARG ROUND\n${[1, 2, 3, 4, 5, 6].map((i) => `RUN echo $ROUND > /file${i}\n`).join("")}`,
    });
    const actions: ((round: number) => string[])[] = [
      (round) => ["build", "-t", "pack", "--build-arg", `ROUND=${round}`, pack],
      (round) => ["build", "-t", "run", "--build-arg", `ROUND=${round}`, run],
      (round) => ["build", "-t", "commit", "--build-arg", `ROUND=${round}`, commit],
      () => ["pull", pulled],
      () => ["prune", "--all", "--force"],
    ];

    let over = false;
    const failures: Output[] = [];
    let builds = 0;
    const other = sandbox.files("other", {
      Dockerfile:
        "FROM busybox\nARG ROUND\nRUN echo other $ROUND > /other && sleep 0.05\nCOPY --from=busybox /bin/busybox /copied\n",
    });
    const companion = (async () => {
      while (!over) {
        const output = await sandbox.run(["build", "-t", "other", "--build-arg", `ROUND=${builds++}`, other]);
        if (output.code !== 0) failures.push(output);
      }
    })();

    let finished = 0;
    try {
      for (let round = 0; round < kills; round++) {
        const action = actions[round % actions.length] as (round: number) => string[];
        const child = sandbox.start(action(round));
        child.stdout?.resume();
        child.stderr?.resume();
        const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
        await Promise.race([sleep(30 + next() * 450), ended]);
        if (child.exitCode !== null) finished++;
        child.kill("SIGKILL");
        await ended;
      }
    } finally {
      over = true;
      await companion;
    }
    t.diagnostic(`${builds} builds beside ${kills} kills; ${finished} had finished before the kill`);
    assert.deepEqual(failures, []);
    assert.ok(finished < kills * 0.8, "most kills must hit something that runs");

    await noneLeft(leftOvers);
    for (const [name, context] of Object.entries({ pack, run, commit }))
      await sandbox.ok(["build", "-t", name, "--build-arg", "ROUND=last", context]);
    await sandbox.ok(["pull", pulled]);
    assert.equal((await sandbox.ok(["run", "--rm", "commit", "cat", "/file6"])).stdout, "last\n");
    assert.equal(
      (await sandbox.ok(["run", "--rm", "pack", "sh", "-c", "find . -type f | wc -l"])).stdout.trim(),
      "401",
    );
    const checked = await sandbox.run(["fsck"]);
    assert.equal(checked.code, 0, checked.stdout + checked.stderr);
    await sandbox.ok(["prune", "--force"]);
    const runtimeState = join(sandbox.store, "run");
    assert.deepEqual(
      readdirSync(runtimeState, { recursive: true }).filter((name) =>
        /(^|\/)status$|config\.json$/.test(String(name)),
      ),
      [],
    );
  });

  test("two builds that need the same step run it once", async () => {
    const context = sandbox.files("shared", {
      Dockerfile: "FROM busybox\nRUN sleep 5; cat /proc/sys/kernel/random/uuid > /uuid\n",
    });
    const begin = Date.now();
    const [one, two] = await Promise.all(
      [1, 2].map((i) => sandbox.ok(["build", "-t", `shared${i}`, context])),
    );
    const took = Date.now() - begin;
    const uuids = await Promise.all(
      [1, 2].map(async (i) => (await sandbox.ok(["run", "--rm", `shared${i}`, "cat", "/uuid"])).stdout),
    );
    assert.equal(uuids[0], uuids[1], `${one?.stderr}${two?.stderr} ${took}`);
  });

  test("different builds overlap", async () => {
    const contexts = [1, 2].map((i) =>
      sandbox.files(`different${i}`, {
        Dockerfile: `FROM busybox\nRUN cut -d" " -f1 /proc/uptime > /begin; sleep 2; cut -d" " -f1 /proc/uptime > /end; echo ${i}\n`,
      }),
    );
    await Promise.all(contexts.map((context, i) => sandbox.ok(["build", "-t", `different${i}`, context])));
    const time = async (i: number, file: string) =>
      Number((await sandbox.ok(["run", "--rm", `different${i}`, "cat", file])).stdout);
    const [begin0, end0, begin1, end1] = [
      await time(0, "/begin"),
      await time(0, "/end"),
      await time(1, "/begin"),
      await time(1, "/end"),
    ];
    assert.ok(begin0 < end1 && begin1 < end0, "their steps ran at the same time");
  });

  test("pruning all the time harms nobody", async () => {
    let over = false;
    const pruner = (async () => {
      let count = 0;
      for (; !over; count++) await sandbox.ok(["prune", "--all", "--force"]);
      return count;
    })();
    const context = sandbox.files("pruned", {
      "a.txt": "a",
      Dockerfile:
        "FROM busybox AS one\nARG ROUND\nCOPY a.txt /a\nRUN echo $ROUND >> /a\nFROM busybox\nCOPY --from=one /a /b\nRUN cat /b\n",
    });
    try {
      for (let round = 0; round < 10; round++) {
        await sandbox.ok(["build", "-t", "pruned", "--build-arg", `ROUND=${round}`, context]);
        assert.equal((await sandbox.ok(["run", "--rm", "pruned", "cat", "/b"])).stdout, `a${round}\n`);
      }
    } finally {
      over = true;
    }
    assert.ok((await pruner) > 3);
    assert.equal((await sandbox.run(["fsck"])).code, 0);
  });
});
