import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { lock, openLease, tryLock, withLeases } from "./index.ts";

const root = mkdtempSync(join(tmpdir(), "stagewright-leases-"));
after(() => rmSync(root, { recursive: true }));

test("a lock excludes, and is free again after its release", async () => {
  const file = join(root, "locks", "a");
  const held = tryLock(file);
  assert.ok(held);
  assert.equal(tryLock(file), undefined);
  assert.equal(tryLock(file, "shared"), undefined);
  const waiting = lock(file);
  held.release();
  (await waiting).release();
  assert.ok(!existsSync(file), "lock files do not pile up");
});

test("shared locks share, and keep an exclusive one out", () => {
  const file = join(root, "locks", "b");
  const [one, two] = [tryLock(file, "shared"), tryLock(file, "shared")];
  assert.ok(one && two);
  assert.equal(tryLock(file), undefined);
  one.release();
  assert.equal(tryLock(file), undefined);
  two.release();
  const alone = tryLock(file);
  assert.ok(alone);
  alone.release();
});

test("of many who want a lock, one at a time has it", async () => {
  const file = join(root, "locks", "c");
  let inside = 0;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const held = await lock(file);
      assert.equal(++inside, 1);
      await sleep(1);
      inside--;
      held.release();
    }),
  );
});

test("a lease shows its items until it is released", async () => {
  const lease = openLease(root);
  assert.equal(await lease.hold(["layer:1", "blob:2"], () => "checked"), "checked");
  await lease.hold(["layer:1", "layer:3"], () => undefined);
  const seen = await withLeases(root, undefined, ({ items, since }) => ({ items: [...items].sort(), since }));
  assert.deepEqual(seen.items, ["blob:2", "layer:1", "layer:3"]);
  assert.ok(Math.abs(seen.since - Date.now()) < 60_000);
  lease.release();
  assert.equal(await withLeases(root, undefined, ({ since }) => since), Number.POSITIVE_INFINITY);
  assert.deepEqual(await withLeases(root, undefined, ({ items }) => [...items]), []);
});

test("a lease of a killed process is dead, and is cleared away", async () => {
  const script = `
    import { openLease, lock } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
    await openLease(${JSON.stringify(root)}).hold(["layer:doomed"], () => undefined);
    await lock(${JSON.stringify(join(root, "locks", "doomed"))});
    process.stdout.write("ready");
    setInterval(() => {}, 1000);`;
  const file = join(root, "holder.mjs");
  writeFileSync(file, script);
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  assert.deepEqual(await withLeases(root, undefined, ({ items }) => [...items]), ["layer:doomed"]);
  assert.equal(tryLock(join(root, "locks", "doomed")), undefined);
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.deepEqual(await withLeases(root, undefined, ({ items }) => [...items]), []);
  assert.deepEqual(readdirSync(join(root, "leases")), []);
  const taken = tryLock(join(root, "locks", "doomed"));
  assert.ok(taken);
  taken.release();
});
