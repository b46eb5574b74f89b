import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createUser, type OrdinaryUser } from "./ordinary-user.ts";
import { createSandbox, isRoot, type Output, tool } from "./sandbox.ts";

const sandbox = createSandbox("containers-rootless");
const patienceMs = 30_000;
const skip = isRoot ? false : "needs root to become other users";
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

async function eventually<T>(ask: () => Promise<T | undefined>, what: string): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`no ${what} after ${patienceMs} ms`);
    await sleep(50);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** What a program does that serves a page, has files of its own, and ends with 7 when it is asked to. */
const serving =
  "mkdir /www /own; echo page > /www/index.html; trap 'exit 7' TERM; httpd -p 8080 -h /www; echo up; while :; do sleep 0.05; done";

for (const [index, name] of ["subordinate ids", "a single id"].entries())
  describe(`an ordinary user with ${name}`, { skip }, () => {
    test("run -d -p, ps, logs, cp, stop and rm", async () => {
      const user = users[index]!;
      const port = await freePort();
      const own = index === 0 ? "sleep 1000 & su -s /bin/sh nobody -c 'sleep 1000' &" : "";
      await ok(
        ...([user, "run", "-d", "--name", "web", "-p", `${port}:8080`, "busybox"] as const),
        ...["sh", "-c", `${own} ${serving}`],
      );
      const page = await eventually(async () => {
        try {
          return await (await fetch(`http://127.0.0.1:${port}/`)).text();
        } catch {
          return undefined;
        }
      }, "answer");
      assert.equal(page, "page\n");
      assert.match((await ok(user, "ps")).stdout, new RegExp(`Up .* 0\\.0\\.0\\.0:${port}->8080/tcp +web\n`));
      assert.equal((await ok(user, "logs", "web")).stdout, "up\n");
      writeFileSync(join(user.home, "in"), "in\n", { mode: 0o644 });
      await ok(user, "cp", join(user.home, "in"), "web:/own/in");
      await ok(user, "cp", "-q", "web:/own", join(user.home, "out"));
      assert.equal(readFileSync(join(user.home, "out/in"), "utf8"), "in\n");
      assert.equal((await ok(user, "stop", "-t", "20", "web")).stdout, "web\n");
      assert.match((await ok(user, "ps", "-a")).stdout, /Exited \(7\) .* web\n/);
      await ok(user, "rm", "web");
    });
  });
