import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { createSandbox, type Sandbox } from "./sandbox.ts";

const sandbox = createSandbox("large-context");
const other = createSandbox("large-context-again");

test("a large context: nothing is copied again while it is the same, and what changed is seen", async () => {
  const context = join(sandbox.directory, "context");
  const file = (i: number) => join(context, "src", String(i % 30), `file-${i}`);
  for (let i = 0; i < 3000; i++) {
    if (i < 30) mkdirSync(join(context, "src", String(i)), { recursive: true });
    writeFileSync(file(i), String(i));
  }
  writeFileSync(
    join(context, "Dockerfile"),
    "FROM scratch\nCOPY src /src\nCOPY --exclude=**/*-1* src /some\nCOPY src/3/file-3 /\n",
  );
  const build = ["build", "--build-arg=SOURCE_DATE_EPOCH=1750000000", context];
  const id = async (where: Sandbox) => (await where.ok([...build, "-q"])).stdout.trim();

  await id(sandbox);
  await setTimeout(2100); // files that were just written could change unseen: nothing is remembered of them
  const before = await id(sandbox);
  assert.equal(await id(other), before);
  const { stderr } = await sandbox.ok([...build, "--progress=plain"]);
  assert.equal(stderr.match(/CACHED/g)?.length, 3, stderr);

  const changes = [
    () => writeFileSync(file(3), "three"),
    () => writeFileSync(file(2999), "1234"), // as long as before
    () => rmSync(file(500)),
    () => writeFileSync(join(context, "src", "7", "new"), ""),
    () => mkdirSync(join(context, "src", "7", "empty")),
  ];
  const seen = new Set([before]);
  for (const change of changes) {
    change();
    const now = await id(sandbox);
    assert.ok(!seen.has(now));
    seen.add(now);
    assert.equal(await id(sandbox), now);
    rmSync(other.store, { recursive: true, force: true });
    assert.equal(await id(other), now, "as a store finds it that never saw the context");
  }
});
