import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Digest, digestOf, readIgnoreFile } from "../core/index.ts";
import type { FileOp } from "../llb/index.ts";
import { fileOp } from "./file.ts";
import type { Ref } from "./ref.ts";
import { chain, copyAction, type Fixture, openFixture, readText } from "./testing/file-fixture.ts";

const key = digestOf("some base");

async function contentKey(
  fixture: Fixture,
  op: FileOp,
  refs: readonly Ref[],
  keys: readonly (Digest | undefined)[],
): Promise<Digest | undefined> {
  const found = await fileOp(op, fixture.dependencies, ["base", "context"]).contentKey!(
    refs,
    keys,
    fixture.context,
  );
  return found?.key;
}

/** Keys of `COPY src /app` before and after a change to the context. */
async function keysAround(
  files: Parameters<Fixture["tree"]>[1],
  src: string,
  change: (root: string) => void,
): Promise<[Digest | undefined, Digest | undefined]> {
  using fixture = openFixture();
  const root = fixture.tree("ctx", files);
  const op = chain(1, copyAction(src, "/app"));
  const before = await contentKey(fixture, op, [await fixture.scan(root)], [undefined]);
  change(root);
  const after = await contentKey(fixture, op, [await fixture.scan(root)], [undefined]);
  assert.notEqual(before, undefined);
  return [before, after];
}

test("times do not count, content, mode and names do", async () => {
  const files = { a: "1", "d/b": "2" };
  const same = await keysAround(files, "/", (root) => utimesSync(join(root, "a"), 1, 1));
  assert.equal(same[0], same[1]);
  for (const change of [
    (root: string) => writeFileSync(join(root, "a"), "x"),
    (root: string) => chmodSync(join(root, "a"), 0o600),
    (root: string) => chmodSync(join(root, "d"), 0o700),
    (root: string) => rmSync(join(root, "d/b")),
    (root: string) => writeFileSync(join(root, "d/c"), ""),
  ]) {
    const [before, after] = await keysAround(files, "/", change);
    assert.notEqual(before, after, String(change));
  }
});

test("the order in which an action has its members does not count", async () => {
  using fixture = openFixture();
  const action = copyAction("/", "/app", { owner: { user: { kind: "id", id: 1 } } });
  const reversed = Object.fromEntries(Object.entries(action).reverse()) as unknown as typeof action;
  const refs = [await fixture.scan(fixture.tree("ctx", { a: "1" }))];
  const [one, two] = [
    await contentKey(fixture, chain(1, action), refs, [undefined]),
    await contentKey(fixture, chain(1, reversed), refs, [undefined]),
  ];
  assert.notEqual(one, undefined);
  assert.equal(one, two);
});

test("only what is selected counts", async () => {
  const files = { a: "1", "d/b": "2", "d/c.md": "3" };
  const outside = await keysAround(files, "d", (root) => writeFileSync(join(root, "a"), "x"));
  assert.equal(outside[0], outside[1]);
  const unmatched = await keysAround(files, "d/*.md", (root) => writeFileSync(join(root, "d/b"), "x"));
  assert.equal(unmatched[0], unmatched[1]);
  const matched = await keysAround(files, "d/*.md", (root) => writeFileSync(join(root, "d/c.md"), "x"));
  assert.notEqual(matched[0], matched[1]);
});

test("what a source is counts, not only what it selects", async () => {
  const toDirectory = await keysAround({ a: "1" }, "a", (root) => {
    rmSync(join(root, "a"));
    mkdirSync(join(root, "a"));
    writeFileSync(join(root, "a/a"), "1");
  });
  assert.notEqual(toDirectory[0], toDirectory[1], "a directory is copied into the destination");
  const toEmpty = await keysAround({ b: "1" }, "a*", (root) => mkdirSync(join(root, "a")));
  assert.notEqual(toEmpty[0], toEmpty[1], "an empty directory makes the destination, no match makes nothing");
});

test("a large directory has the key of its files", async () => {
  const files = Object.fromEntries(Array.from({ length: 700 }, (_, i) => [`d/${i}`, `content ${i}`]));
  const [before, after] = await keysAround(files, "d", (root) =>
    writeFileSync(join(root, "d/77"), "CONTENT 77"),
  );
  assert.notEqual(before, after);
  const touched = await keysAround(files, "d", (root) => utimesSync(join(root, "d/77"), 1, 1));
  assert.equal(touched[0], touched[1]);
});

test("a stage counts with what is copied from it, the base with its key", async () => {
  using fixture = openFixture();
  const build = async (files: Parameters<Fixture["tree"]>[1]) =>
    fixture.run(
      chain(1, copyAction("/", "/")),
      await fixture.scan(fixture.tree(`stage${JSON.stringify(files).length}`, files)),
    );
  const base: Ref = { kind: "snapshot", snapshot: { layers: [] } };
  const one = await build({ "bin/app": "app", log: "first" });
  const two = await build({ "bin/app": "app", log: "another" });
  const op = chain(2, copyAction("/bin/app", "/app"));
  const keyOf = (stage: Ref, baseKey: Digest) =>
    contentKey(fixture, op, [base, stage], [baseKey, digestOf("stage")]);
  assert.equal(await keyOf(one, key), await keyOf(two, key));
  assert.notEqual(await keyOf(one, key), await keyOf(one, digestOf("another base")));
  assert.equal(await contentKey(fixture, op, [base, one], [undefined, key]), undefined);
});

test("a definition key needs the keys of all inputs", async () => {
  using fixture = openFixture();
  const op = fileOp(chain(2, copyAction("/a", "/b")), fixture.dependencies);
  assert.equal(await op.definitionKey([key, undefined], fixture.context), undefined);
  const first = await op.definitionKey([key, key], fixture.context);
  const other = await fileOp(chain(2, copyAction("/c", "/b")), fixture.dependencies).definitionKey(
    [key, key],
    fixture.context,
  );
  assert.notEqual(first?.key, other?.key);
  assert.deepEqual(
    first?.ingredients.map(({ name }) => name),
    ["definition", "input 0", "input 1"],
  );
});

test("a layer is put on another base that looks the same where it matters", async () => {
  using fixture = openFixture();
  const make = async (name: string, files: Parameters<Fixture["tree"]>[1]) =>
    fixture.run(chain(1, copyAction("/", "/")), await fixture.scan(fixture.tree(name, files)));
  const context = await fixture.scan(fixture.tree("ctx", { tool: "T" }));
  const copyTo = async (base: Ref) => fixture.run(chain(2, copyAction("tool", "/bin/")), base, context);
  const top = (ref: Ref) => (ref.kind === "snapshot" ? ref.snapshot.layers.at(-1) : undefined);

  const first = await copyTo(await make("one", { "bin/sh": "1" }));
  const again = await copyTo(await make("two", { "bin/sh": "2", other: "x" }));
  assert.equal(top(again), top(first));
  assert.equal(readText(await fixture.rootfs(again), "bin/sh"), "2");
  assert.equal(readText(await fixture.rootfs(again), "bin/tool"), "T");

  const moved = await copyTo(await make("three", { bin: { link: "usr/bin" }, "usr/bin/sh": "3" }));
  assert.notEqual(top(moved), top(first));
  assert.equal(readText(await fixture.rootfs(moved), "usr/bin/tool"), "T");
});

test("a missing source says why", async () => {
  using fixture = openFixture();
  const root = fixture.tree("ctx", { "src/main.go": "m", "README.md": "r", "docs/guide.txt": "g" });
  const exclude = readIgnoreFile("# comment\n\n*.md\n!OTHER.md\n");
  const context = await fixture.scan(root, { exclude });
  const fails = async (src: string) => {
    const ops = fileOp(chain(1, copyAction(src, "/x")), fixture.dependencies, ["context"]);
    const errors = await Promise.all(
      [ops.contentKey!([context], [undefined], fixture.context), ops.exec([context], fixture.context)].map(
        (result) =>
          result.then(
            () => assert.fail("no error"),
            (error: { message: string; hint?: string }) => error,
          ),
      ),
    );
    assert.equal(errors[0]!.message, errors[1]!.message);
    return errors[0]!;
  };
  const excluded = await fails("README.md");
  assert.equal(excluded.message, 'failed to calculate checksum of ref context: "/README.md": not found');
  assert.equal(excluded.hint, "it is excluded by line 3 of .dockerignore: *.md");
  assert.equal((await fails("src/mian.go")).hint, "did you mean src/main.go?");
  assert.equal((await fails("guide.txt")).hint, "did you mean docs/guide.txt?");
  assert.equal((await fails("src/completely/else")).hint, "/src is there, but completely/else is not in it");
  assert.equal((await fails("nowhere/*.txt")).message, "lstat /nowhere: no such file or directory");

  const elsewhere = { ...fixture.dependencies, elsewhere: async () => "it is in stage build" };
  const op = fileOp(chain(1, copyAction("bin/app", "/x")), elsewhere);
  await assert.rejects(op.contentKey!([context], [undefined], fixture.context), {
    hint: "it is in stage build",
  });
});

test("a file that changes after its key was made is an error, not a wrong layer", async () => {
  using fixture = openFixture();
  const root = fixture.tree("ctx", { a: "before" });
  const context = await fixture.scan(root);
  const op = fileOp(chain(1, copyAction("a", "/a")), fixture.dependencies);
  await op.contentKey!([context], [undefined], fixture.context);
  writeFileSync(join(root, "a"), "after!");
  await assert.rejects(op.exec([context], fixture.context), /a changed while it was being copied/);
  rmSync(join(root, "a"));
  await assert.rejects(
    op.exec([context], fixture.context),
    /cannot read .*a: it was removed while the build ran/,
  );
});
