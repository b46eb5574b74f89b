import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Op } from "../solver/index.ts";
import { fileOp } from "./file.ts";
import { runFileOp } from "./file-run.ts";
import type { Ref } from "./ref.ts";
import {
  chain,
  copyAction,
  type Fixture,
  mkdirAction,
  openFixture,
  readText,
} from "./testing/file-fixture.ts";

test("the same input gives the same layer", async () => {
  using fixture = openFixture();
  const context = await fixture.scan(fixture.tree("ctx", { a: "1", "b/c": "2" }));
  const op = chain(1, mkdirAction("/w"), copyAction("/", "/w/"));
  const first = await fixture.list(await fixture.run(op, context));
  assert.deepEqual(await fixture.list(await fixture.run(op, context)), first);
});

test("a large copy is made by a worker, with the same result", async () => {
  using fixture = openFixture();
  const files = Object.fromEntries(Array.from({ length: 2300 }, (_, i) => [`d${i % 9}/f${i}`, `text ${i}`]));
  const context = await fixture.scan(fixture.tree("ctx", files));
  const op = chain(1, copyAction("/", "/app/"));
  const large = await fixture.run(op, context);
  const file = join(fixture.directory, "here");
  const tree = context.kind === "tree" ? context.tree : assert.fail();
  const here = await runFileOp({
    actions: op.actions,
    inputs: [{ kind: "local", ...tree, name: "context" }],
    files: [file],
  });
  const ids = large.kind === "snapshot" ? large.snapshot.layers : [];
  assert.equal(fixture.dependencies.layers.record(ids[0]!)?.diffId, here.outputs[0]!.packed.diffId);
  assert.equal(here.outputs[0]!.packed.entryCount, 2300 + 9 + 1);
  assert.equal(readText(await fixture.rootfs(large), "app/d1/f10"), "text 10");
});

/** Too many files for the main thread. */
const manyFiles = Object.fromEntries(Array.from({ length: 2300 }, (_, i) => [`f${i}`, `text ${i}`]));

function leftOver(fixture: Fixture): string[] {
  const ingest = join(fixture.directory, "store", "ingest");
  return existsSync(ingest) ? readdirSync(ingest) : [];
}

test("an aborted copy leaves no temporary file", async () => {
  using fixture = openFixture();
  const context = await fixture.scan(fixture.tree("ctx", manyFiles));
  const copying = () => fileOp(chain(1, copyAction("/", "/app/")), fixture.dependencies);
  for (const start of ["contentKey", "exec"] as const) {
    const abort = new AbortController();
    const job = { ...fixture.context, signal: abort.signal };
    const op = copying();
    const work = start === "exec" ? op.exec([context], job) : op.contentKey!([context], [undefined], job);
    setTimeout(() => abort.abort(), 60);
    await assert.rejects(work, { code: "canceled" });
    assert.deepEqual(leftOver(fixture), [], start);
  }
});

test("a layer that was packed ahead of its key is not left behind when nobody wants it", async () => {
  using fixture = openFixture();
  const abort = new AbortController();
  const endings = {
    abandoned: (op: Op<Ref>) => op.abandon!(),
    aborted: () => abort.abort(),
    used: (op: Op<Ref>, context: Ref) => op.exec([context], fixture.context),
  };
  const keys = new Set<string | undefined>();
  for (const [name, end] of Object.entries(endings)) {
    const context = await fixture.scan(fixture.tree(name, manyFiles));
    const op = fileOp(chain(1, copyAction("/", "/app/")), fixture.dependencies);
    const job = name === "aborted" ? { ...fixture.context, signal: abort.signal } : fixture.context;
    keys.add((await op.contentKey!([context], [undefined], job))?.key);
    assert.equal(leftOver(fixture).length, 2, "a tar and an index");
    await end(op, context);
    assert.deepEqual(leftOver(fixture), [], name);
  }
  const hashed = await fixture.scan(fixture.tree("hashed", manyFiles));
  if (hashed.kind === "tree") await hashed.tree.hash(hashed.tree.table.paths.keys());
  const op = fileOp(chain(1, copyAction("/", "/app/")), fixture.dependencies);
  keys.add((await op.contentKey!([hashed], [undefined], fixture.context))?.key);
  assert.equal(keys.size, 1, "the same key, whoever hashed the files");
});
