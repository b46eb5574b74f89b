import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { createSandbox, finished, isRoot, type Output, tool } from "./sandbox.ts";

/** Nothing else on the machine sleeps for so long: a process with it in its command line is a left-over. */
const marker = "86393";
const sandbox = createSandbox("interrupt");

function leftOverProcesses(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
      } catch {
        return [];
      }
    })
    .filter((line) => line.includes(`sleep ${marker}`));
}

function mountsOfStore(): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(sandbox.store));
}

/** Starts a build, sends the signals once its step has said `ready`, and waits for its end. */
async function interrupted(
  context: string,
  signals: readonly NodeJS.Signals[],
): Promise<Output & { milliseconds: number }> {
  const child = sandbox.start(["build", "--progress", "plain", context]);
  const end = finished(child);
  await new Promise<void>((resolve, reject) => {
    let text = "";
    child.stderr?.on("data", (data) => {
      text += data;
      if (/^#\d+ \S+ ready$/m.test(text)) resolve();
    });
    child.on("close", () => reject(new Error(`ended before it was interrupted:\n${text}`)));
  });
  const begin = Date.now();
  for (const signal of signals) {
    child.kill(signal);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return { ...(await end), milliseconds: Date.now() - begin };
}

function check(output: Output, code: number): void {
  assert.equal(output.code, code, output.stderr);
  assert.match(output.stderr, /^#\d+ CANCELED$/m);
  assert.match(output.stderr, /\nERROR: canceled\n$/);
  assert.doesNotMatch(output.stderr, /\n {4}at /, "a stack trace");
  assert.deepEqual(leftOverProcesses(), []);
  assert.deepEqual(mountsOfStore(), []);
}

describe("an interrupted build", { skip: isRoot ? false : "RUN needs root" }, () => {
  before(async () => {
    await sandbox.ok(["bootstrap", "busybox"]);
    sandbox.files("obedient", {
      Dockerfile: `FROM busybox AS other\nRUN sleep ${marker}\nFROM busybox\nRUN sleep 0.3; echo ready; sleep ${marker}\nCOPY --from=other /bin/busybox /other\n`,
    });
    sandbox.files("stubborn", {
      Dockerfile: `FROM busybox\nRUN trap "" TERM INT; echo ready; while :; do sleep ${marker}; done\n`,
    });
  });

  test("stops its steps, says so, and its exit code is the signal's", async () => {
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
      ["SIGHUP", 129],
    ] as const) {
      const output = await interrupted(join(sandbox.directory, "obedient"), [signal]);
      check(output, code);
      assert.ok(output.milliseconds < 5000, `${signal} took ${output.milliseconds} ms`);
    }
  });

  test("a second signal kills at once what does not stop", async () => {
    const output = await interrupted(join(sandbox.directory, "stubborn"), ["SIGINT", "SIGINT"]);
    check(output, 130);
    assert.ok(output.milliseconds < 5000, `took ${output.milliseconds} ms`);
  });

  test("leaves a store that the next build uses", async () => {
    const next = sandbox.files("next", { Dockerfile: "FROM busybox\nRUN echo next > /next\n" });
    await sandbox.ok(["build", "-t", "next", next]);
    assert.equal((await sandbox.ok(["run", "--rm", "next", "cat", "/next"])).stdout, "next\n");
    assert.equal((await sandbox.run(["fsck"])).code, 0);
  });
});

test("whoever waits for an archive that nobody sends stops at once", { timeout: 60_000 }, async () => {
  const pipe = join(sandbox.directory, "pipe");
  await tool("mkfifo", [pipe]);
  const context = sandbox.files("from-pipe", { Dockerfile: "FROM scratch\nCOPY --from=other / /\n" });
  const waiting = [
    ["load"],
    ["load", "-i", pipe],
    ["import", "-", "name"],
    ["import", pipe, "name"],
    ["build", context, "--build-context", `other=${pipe}`],
  ];
  await Promise.all(
    waiting.map(async (args, i) => {
      const store = join(sandbox.directory, `waiting-${i}`);
      const child = sandbox.start(args, { env: { STAGEWRIGHT_ROOT: store } });
      try {
        let output = "";
        child.stderr!.on("data", (data) => (output += data));
        const code = new Promise((resolve) => child.on("close", resolve));
        // What it will read becomes part of the store: that is leased first.
        while (!existsSync(join(store, "leases"))) await new Promise((resolve) => setTimeout(resolve, 20));
        await new Promise((resolve) => setTimeout(resolve, 300));
        child.kill("SIGINT");
        assert.equal(await code, 130, `${args.join(" ")}: ${output}`);
        assert.match(output, /ERROR: canceled\n$/);
        const ingest = join(store, "ingest");
        assert.ok(!existsSync(ingest) || readdirSync(ingest).length === 0);
      } finally {
        child.kill("SIGKILL");
      }
    }),
  );
});

test("an archive may come through a pipe that has a name", async () => {
  const files = sandbox.files("piped", {
    Dockerfile: "FROM scratch\nCOPY --from=other / /\n",
    file: "piped",
  });
  const [archive, pipe] = [join(sandbox.directory, "piped.tar"), join(sandbox.directory, "named")];
  await tool("tar", ["-C", files, "-cf", archive, "."]);
  await tool("mkfifo", [pipe]);
  const piped = async (...args: string[]) => {
    const writing = tool("sh", ["-c", 'cat "$0" > "$1"', archive, pipe]);
    await sandbox.ok(args);
    await writing;
  };
  await piped("import", pipe, "piped");
  await piped("build", files, "--build-context", `other=${pipe}`, "-o", join(sandbox.directory, "out"));
  assert.equal(readFileSync(join(sandbox.directory, "out", "file"), "utf8"), "piped");
  await sandbox.ok(["save", "-o", archive, "piped"]);
  await piped("load", "-i", pipe);
});
