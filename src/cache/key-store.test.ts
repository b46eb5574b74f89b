import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { digestOf, hexOf } from "../core/index.ts";
import { testKeyStore } from "../solver/testing/key-store-suite.ts";
import { openKeyStore } from "./index.ts";

const directories: string[] = [];
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true });
});
function freshRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "stagewright-cache-"));
  directories.push(root);
  return root;
}

testKeyStore("files", async () => {
  const root = freshRoot();
  return { store: openKeyStore(root), reopen: () => openKeyStore(root) };
});

test("a record that a crash cut off is a miss, and is named as damaged", async () => {
  const root = freshRoot();
  const store = openKeyStore(root);
  const key = digestOf("k");
  await store.put(key, { results: [], created: 1, duration: 1, name: "n", ingredients: [] });
  const file = join(root, "cache", "records", hexOf(key).slice(0, 2), hexOf(key));
  truncateSync(file, 10);
  assert.equal(await store.get(key), undefined);
  assert.deepEqual([...store.damaged()], [file]);
  assert.deepEqual([...store.list()], []);
});

test("aliases that lead nowhere are swept, others stay", async () => {
  const store = openKeyStore(freshRoot());
  const [kept, lost] = [digestOf("kept"), digestOf("lost")];
  for (const key of [kept, lost]) {
    await store.put(key, { results: [], created: 1, duration: 1, name: "n", ingredients: [] });
    await store.putAlias(digestOf(`to ${key}`), key);
  }
  store.remove(lost);
  store.sweepAliases();
  assert.equal(await store.getAlias(digestOf(`to ${kept}`)), kept);
  assert.equal(await store.getAlias(digestOf(`to ${lost}`)), undefined);
});
