import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { BuildError, digestOf, hexOf, mediaTypes } from "../core/index.ts";
import { type NewImageRecord, openNameStore } from "./index.ts";

const base = mkdtempSync(join(tmpdir(), "stagewright-names-"));
after(() => rmSync(base, { recursive: true }));
let count = 0;
const freshRoot = () => join(base, String(count++));

function image(seed: string): NewImageRecord {
  const manifest = { mediaType: mediaTypes.ociManifest, digest: digestOf(`manifest ${seed}`), size: 10 };
  return { target: manifest, manifest, id: digestOf(`config ${seed}`) };
}

const code = (wanted: string) => (error: unknown) => error instanceof BuildError && error.code === wanted;

test("names are normalised, whatever the spelling", async () => {
  const names = openNameStore(freshRoot());
  await names.set("hello", image("a"));
  for (const spelling of ["hello", "hello:latest", "library/hello", "docker.io/library/hello:latest"])
    assert.equal(names.get(spelling)?.id, image("a").id, spelling);
  assert.equal(names.get("hello:other"), undefined);
  assert.equal(names.get("ghcr.io/library/hello"), undefined);
  assert.deepEqual(
    names.list().map(({ name }) => name),
    ["docker.io/library/hello:latest"],
  );
});

test("an image that loses its name stays as untagged, unless it has another", async () => {
  const names = openNameStore(freshRoot());
  await names.set("x:1", image("a"));
  await names.set("x:2", image("a"));
  await names.set("x:1", image("b"));
  assert.deepEqual(
    names.list().map((one) => [one.name, one.id]),
    [
      ["docker.io/library/x:1", image("b").id],
      ["docker.io/library/x:2", image("a").id],
    ],
  );
  await names.set("x:2", image("b"));
  assert.deepEqual(
    names
      .list()
      .filter((one) => one.name === undefined)
      .map((one) => one.id),
    [image("a").id],
  );
  await names.set("again", image("a"));
  assert.ok(
    names.list().every((one) => one.name !== undefined),
    "named anew, it is untagged no more",
  );
});

test("setting what is set already writes nothing", async () => {
  const root = freshRoot();
  const names = openNameStore(root);
  const first = await names.set("x", image("a"));
  const [file = ""] = readdirSync(join(root, "names"));
  const { ino, mtimeMs } = statSync(join(root, "names", file));
  assert.deepEqual(await names.set("x", image("a")), first);
  const now = statSync(join(root, "names", file));
  assert.deepEqual([now.ino, now.mtimeMs], [ino, mtimeMs]);
});

test("ids, their beginnings and digests find images", async () => {
  const names = openNameStore(freshRoot());
  await names.set("a", image("a"));
  await names.set("b", image("b"));
  await names.set(undefined, image("c"));
  const id = hexOf(image("c").id);
  for (const text of [id, id.slice(0, 12), `sha256:${id}`, hexOf(image("c").manifest.digest).slice(0, 12)])
    assert.equal(names.resolve(text).id, image("c").id, text);
  assert.equal(names.resolve(`a@${image("a").target.digest}`).id, image("a").id);
  assert.throws(() => names.resolve(`a@${image("b").target.digest}`), code("not-found"));
});

test("an ambiguous beginning and a near miss are explained", async () => {
  const names = openNameStore(freshRoot());
  const seeds = Array.from({ length: 17 }, (_, i) => String(i));
  for (const seed of seeds) await names.set(`x:${seed}`, image(seed));
  const ambiguous = "0123456789abcdef".split("").find((digit) => names.find(digit).length > 1);
  assert.ok(ambiguous, "of 17 ids two begin alike");
  assert.throws(() => names.resolve(ambiguous), code("invalid-argument"));
  await names.set("golang:1.23", image("go"));
  assert.throws(
    () => names.resolve("golnag:1.23"),
    (error) => error instanceof BuildError && /golang:1\.23/.test(error.hint ?? ""),
  );
});

test("a name is taken away once", async () => {
  const names = openNameStore(freshRoot());
  const record = await names.set("x", image("a"));
  assert.equal(await names.remove(record), true);
  assert.equal(await names.remove(record), false);
  assert.deepEqual(names.list(), []);
});

test("many who name at once lose no image", async () => {
  const names = openNameStore(freshRoot());
  const seeds = Array.from({ length: 12 }, (_, i) => String(i));
  await Promise.all(seeds.map((seed) => names.set("x", image(seed))));
  assert.equal(names.list().length, seeds.length);
  assert.equal(names.list().filter(({ name }) => name !== undefined).length, 1);
});

test("damaged records are listed and otherwise ignored; reading creates nothing", async () => {
  const root = freshRoot();
  const names = openNameStore(root);
  assert.deepEqual(names.list(), []);
  assert.ok(!existsSync(root));
  await names.set("x", image("a"));
  const [file = ""] = readdirSync(join(root, "names"));
  writeFileSync(join(root, "names", "00.json"), "{");
  assert.deepEqual([...names.damaged()], [join(root, "names", "00.json")]);
  writeFileSync(join(root, "names", file), "");
  assert.equal(names.get("x"), undefined);
  assert.equal([...names.damaged()].length, 2);
});
