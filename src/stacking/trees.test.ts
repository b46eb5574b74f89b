import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { moveTree, runTreeTask } from "./trees.ts";

const directory = mkdtempSync(join(tmpdir(), "stagewright-trees-"));
after(() => rmSync(directory, { recursive: true, force: true }));

function made(name: string): string {
  mkdirSync(join(directory, name));
  writeFileSync(join(directory, name, "file"), name);
  return join(directory, name);
}

test("a directory that somebody else put there first stays, in this thread and in a worker", async () => {
  const [first, second, third] = [made("first"), made("second"), made("third")];
  const target = join(directory, "target");
  assert.equal(await moveTree(undefined, first, target), true);
  assert.equal(await moveTree(undefined, second, target), false);
  assert.equal(await runTreeTask(undefined, "move", { from: third, to: target }), false);
  assert.deepEqual([first, second, third].map(existsSync), [false, true, true]);
  await assert.rejects(runTreeTask(undefined, "move", { from: first, to: target }), /no such file|ENOENT/i);
});
