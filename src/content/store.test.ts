import assert from "node:assert/strict";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { BuildError, type Bytes, collect, type Digest, digestOf } from "../core/index.ts";
import { openContentStore } from "./index.ts";

const base = mkdtempSync(join(tmpdir(), "stagewright-content-"));
after(() => rmSync(base, { recursive: true }));
let count = 0;
const freshStore = () => openContentStore(join(base, String(count++)));

async function* chunks(...parts: (string | Uint8Array)[]): Bytes {
  for (const part of parts) yield typeof part === "string" ? Buffer.from(part) : part;
}

const code = (wanted: string) => (error: unknown) => error instanceof BuildError && error.code === wanted;
const leftovers = (root: string) => [
  ...readdirSync(join(root, "ingest")),
  ...readdirSync(join(root, "blobs/sha256")),
];

test("a stream becomes a blob named by its digest and reads back", async () => {
  const store = freshStore();
  const blob = await store.ingest(chunks("he", "", "llo"));
  assert.deepEqual(blob, { digest: digestOf("hello"), size: 5 });
  assert.deepEqual(store.stat(blob.digest), { size: 5 });
  assert.equal((await collect(store.open(blob), 10)).toString(), "hello");
  assert.equal(store.read(blob.digest).toString(), "hello");
  assert.deepEqual([...store.list()], [blob.digest]);
  assert.deepEqual(readdirSync(join(store.root, "ingest")), []);
  assert.equal(statSync(store.path(blob.digest)).mode & 0o777, 0o600);
  await store.sync();
});

test("opening a store and looking things up creates nothing", () => {
  const store = freshStore();
  assert.equal(store.stat(digestOf("x")), undefined);
  assert.deepEqual([...store.list()], []);
  assert.ok(!existsSync(store.root));
});

test("content that is not what was expected leaves nothing", async () => {
  const store = freshStore();
  const digest = digestOf("hello");
  await assert.rejects(store.ingest(chunks("hellO"), { digest }), code("data-loss"));
  await assert.rejects(store.ingest(chunks("hello"), { digest, size: 4 }), code("data-loss"));
  await assert.rejects(store.ingest(chunks("hello"), { digest, size: 6 }), code("data-loss"));
  await assert.rejects(store.ingestBytes(Buffer.from("hello"), { size: 6 }), code("data-loss"));
  async function* broken(): Bytes {
    yield Buffer.from("hel");
    throw new Error("connection lost");
  }
  await assert.rejects(store.ingest(broken(), { digest }), /connection lost/);
  await assert.rejects(store.ingest(chunks("hello"), {}, AbortSignal.abort()), { name: "AbortError" });
  assert.deepEqual(leftovers(store.root), []);
});

test("a stream that is too long is given up at once", async () => {
  const store = freshStore();
  let given = 0;
  async function* endless(): Bytes {
    for (;;) {
      given++;
      yield Buffer.alloc(1000);
    }
  }
  await assert.rejects(store.ingest(endless(), { size: 2500 }), code("data-loss"));
  assert.ok(given <= 4);
});

test("the empty blob, and many who bring the same one", async () => {
  const store = freshStore();
  const blobs = await Promise.all([
    ...Array.from({ length: 10 }, () => store.ingest(chunks("same", "content"))),
    store.ingest(chunks()),
    store.ingestBytes(Buffer.alloc(0)),
  ]);
  assert.deepEqual(
    [...new Set(blobs.map((blob) => blob.digest))].sort(),
    [digestOf(""), digestOf("samecontent")].sort(),
  );
  assert.equal(leftovers(store.root).length, 2);
  assert.equal((await collect(store.open({ digest: digestOf(""), size: 0 }), 1)).length, 0);
});

test("a blob that is there is not written again, but counts as just used", async () => {
  const store = freshStore();
  const { digest } = await store.ingestBytes(Buffer.from("x"));
  const file = store.path(digest);
  utimesSync(file, 1000, 1000);
  const { ino } = statSync(file);
  await store.ingestBytes(Buffer.from("x"));
  await store.ingest(chunks("x"));
  assert.equal(statSync(file).ino, ino);
  assert.ok(statSync(file).mtimeMs > 1_000_000);
});

test("a blob that a power failure cut short is replaced", async () => {
  const store = freshStore();
  const { digest } = await store.ingestBytes(Buffer.from("whole"));
  truncateSync(store.path(digest), 2);
  await store.ingestBytes(Buffer.from("whole"));
  assert.equal(store.read(digest).toString(), "whole");
});

test("damage is noticed when a blob is read", async () => {
  const store = freshStore();
  const blob = await store.ingestBytes(Buffer.from("whole"));
  writeFileSync(store.path(blob.digest), "wh0le");
  await assert.rejects(collect(store.open(blob), 10), code("data-loss"));
  assert.throws(() => store.read(blob.digest), code("data-loss"));
});

test("a missing blob and one too large for memory are refused by name", async () => {
  const store = freshStore();
  const digest: Digest = digestOf("nowhere");
  await assert.rejects(collect(store.open({ digest, size: 1 }), 10), code("not-found"));
  assert.throws(() => store.read(digest), code("not-found"));
  const { digest: large } = await store.ingestBytes(Buffer.alloc(100));
  assert.throws(() => store.read(large, 99), code("resource-exhausted"));
});

test("a file that somebody else hashed is adopted", () => {
  const store = freshStore();
  const file = store.temporary();
  writeFileSync(file, "mine");
  store.adopt(file, { digest: digestOf("mine"), size: 4 });
  assert.equal(store.read(digestOf("mine")).toString(), "mine");
  assert.ok(!existsSync(file));
  store.remove(digestOf("mine"));
  store.remove(digestOf("mine"));
  assert.equal(store.stat(digestOf("mine")), undefined);
});
