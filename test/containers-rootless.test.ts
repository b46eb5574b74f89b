import assert from "node:assert/strict";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createUser, type OrdinaryUser } from "./ordinary-user.ts";
import { cannotRunAsUser, createSandbox, isRoot, type Output, tool } from "./sandbox.ts";
import { eventually, freePort } from "./waiting.ts";

const sandbox = createSandbox("containers-rootless");
const skip = cannotRunAsUser();
const users: OrdinaryUser[] = [];

before(async () => {
  if (!isRoot) return;
  chmodSync(sandbox.directory, 0o755);
  await sandbox.ok(["bootstrap", "busybox"]);
  const archive = join(sandbox.directory, "busybox.tar");
  await sandbox.ok(["save", "-o", archive, "busybox"]);
  chmodSync(archive, 0o644);
  const { directory } = sandbox;
  users.push(createUser({ directory, name: "rich", uid: 64_103, subordinate: 1_600_000_000 }));
  users.push(createUser({ directory, name: "poor", uid: 64_104 }));
  for (const user of users) await ok(user, "load", "-q", "-i", archive);
});

after(async () => {
  for (const user of users) {
    const { stdout } = await user.stagewright(["ps", "-aq"]);
    const ids = stdout.split("\n").filter((id) => id !== "");
    if (ids.length > 0) await user.stagewright(["rm", "-f", ...ids]);
  }
});

async function ok(user: OrdinaryUser, ...args: string[]): Promise<Output> {
  const output = await user.stagewright(args);
  assert.equal(output.code, 0, `${args.join(" ")}\n${output.stdout}\n${output.stderr}`);
  return output;
}

async function pageOf(port: number): Promise<string> {
  return eventually(async () => {
    try {
      return await (await fetch(`http://127.0.0.1:${port}/`)).text();
    } catch {
      return undefined; // it does not listen yet
    }
  }, "answer");
}

const sleeping = "while :; do sleep 0.05; done";
/** Serves a page, has a directory of its own, and ends with 7 when it is asked to. */
const serving = `mkdir -p /www /own; echo page > /www/index.html; trap 'exit 7' TERM; httpd -p 8080 -h /www; echo up; ${sleeping}`;

for (const [index, ids] of ["subordinate ids", "a single id"].entries())
  describe(`a container of an ordinary user with ${ids}`, { skip }, () => {
    const user = (): OrdinaryUser => users[index]!;

    test("run -d -p, ps, logs, cp, stop, start, kill and rm", async () => {
      const port = await freePort();
      const run = ["run", "-d", "--name", "web", "-p", `${port}:8080`, "busybox", "sh", "-c", serving];
      await ok(user(), ...run);
      assert.equal(await pageOf(port), "page\n");
      assert.match(
        (await ok(user(), "ps")).stdout,
        new RegExp(` Up .* 0\\.0\\.0\\.0:${port}->8080/tcp +web\n`),
      );
      assert.equal((await ok(user(), "logs", "web")).stdout, "up\n");
      const here = (name: string): string => join(user().home, name);
      writeFileSync(here("in"), "in\n");
      for (const [state, destination] of [
        ["running", "out"],
        ["stopped", "later"],
      ] as const) {
        await ok(user(), "cp", "-q", here("in"), `web:/own/${state}`);
        await ok(user(), "cp", "-q", "web:/own", here(destination));
        assert.equal(readFileSync(here(`${destination}/${state}`), "utf8"), "in\n");
        assert.equal(statSync(here(`${destination}/${state}`)).uid, user().uid);
        if (state === "running") assert.equal((await ok(user(), "stop", "-t", "20", "web")).stdout, "web\n");
      }
      assert.match((await ok(user(), "ps", "-a")).stdout, /Exited \(7\) .* web\n/);
      await ok(user(), "start", "web");
      assert.equal(await pageOf(port), "page\n");
      await ok(user(), "kill", "web");
      assert.equal((await ok(user(), "wait", "web")).stdout, "137\n");
      await ok(user(), "rm", "web");
      assert.equal((await ok(user(), "ps", "-aq")).stdout, "");
    });
  });

describe("programs and files of subordinate ids", { skip }, () => {
  test("are stopped, copied, and removed", async () => {
    const [user] = users as [OrdinaryUser];
    const program = `trap 'exit 5' TERM; echo mine > /tmp/mine; echo up; ${sleeping}`;
    const root = "mkdir -m 700 /deep; echo x > /deep/file; chown -R 8:9 /deep; chown 8 /tmp";
    await ok(user, "run", "--name", "files", "busybox", "sh", "-c", root);
    await ok(user, "run", "-d", "--name", "other", "--user", "1000:1000", "busybox", "sh", "-c", program);
    await eventually(
      async () => ((await ok(user, "logs", "other")).stdout === "up\n" ? true : undefined),
      "start",
    );
    writeFileSync(join(user.home, "given"), "given\n");
    await ok(user, "cp", "-q", join(user.home, "given"), "other:/tmp/given");
    await ok(user, "cp", "-q", "other:/tmp/mine", join(user.home, "mine"));
    assert.equal(readFileSync(join(user.home, "mine"), "utf8"), "mine\n");
    await ok(user, "cp", "-q", "files:/deep", join(user.home, "deep"));
    assert.equal(readFileSync(join(user.home, "deep/file"), "utf8"), "x\n");
    await ok(user, "stop", "-t", "20", "other");
    assert.equal((await ok(user, "wait", "other")).stdout, "5\n");
    await ok(user, "rm", "other", "files");
    await eventually(
      async () => ((await tool("find", [user.store, "-uid", "+1599999999"])) === "" ? true : undefined),
      "end of the removal",
    );
  });
});
