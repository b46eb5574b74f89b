import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { createSandbox, finished, isRoot, type Output } from "./sandbox.ts";

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
