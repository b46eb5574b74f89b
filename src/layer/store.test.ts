import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { BuildError, type Digest, digestOf } from "../core/index.ts";
import { openLayerStore } from "./index.ts";
import { openLayerWriter } from "./tar/index.ts";
import {
  bytes,
  directory,
  file,
  fresh,
  ingest,
  isRoot,
  layer,
  needsRoot,
  openStore,
} from "./testing/store.ts";

describe("what goes wrong", () => {
  const everything = (root: string) =>
    (fs.readdirSync(root, { recursive: true }) as string[])
      .filter((n) => fs.statSync(join(root, n)).isFile())
      .sort();

  test("damaged blobs and wrong digests are refused and leave nothing behind", async () => {
    const store = openStore();
    const writer = openLayerWriter({ file: fresh("tar") });
    writer.add(file("a"), {
      kind: "bytes",
      bytes: Buffer.from(Array.from({ length: 99_999 }, (_, i) => i * i)),
    });
    const packed = writer.finish();
    const tar = fs.readFileSync(packed.file);
    const gzip = gzipSync(tar);
    const broken = Buffer.from(gzip);
    broken.fill(0x55, gzip.length / 2, gzip.length / 2 + 40);
    const wrong = digestOf("something else");
    const zstd = zstdCompressSync(tar);
    const cases: [Buffer, Digest, RegExp][] = [
      [broken, packed.diffId, /damaged gzip|digest/],
      [gzip.subarray(0, gzip.length - 100), packed.diffId, /damaged gzip/],
      [zstd.subarray(0, zstd.length - 100), packed.diffId, /damaged zstd|digest/],
      [gzip, wrong, /digest sha256:.* instead of/],
      [tar, wrong, /not the content/],
    ];
    for (const [data, diffId, message] of cases) {
      const blob = await ingest(store, data);
      const before = everything(store.root);
      await assert.rejects(store.layers.fromTar(blob, { diffId }), (error) => {
        assert.ok(error instanceof BuildError);
        assert.equal(error.code, "data-loss");
        assert.match(error.message, message);
        return true;
      });
      assert.deepEqual(everything(store.root), before);
      assert.deepEqual([...store.layers.list()], []);
    }
    const evil = fresh("evil");
    fs.writeFileSync(`${evil}.file`, "x");
    execFileSync("tar", ["cPf", evil, "--transform=s,.*,../../evil,", `${evil}.file`]);
    const blob = await ingest(store, gzipSync(fs.readFileSync(evil)));
    const before = everything(store.root);
    await assert.rejects(store.layers.fromTar(blob), /evil is refused: .*climbs/);
    assert.deepEqual(everything(store.root), before);
    const xz = await ingest(store, Buffer.from("\xfd7zXZ\0 and so on", "latin1"));
    await assert.rejects(store.layers.fromTar(xz), /compressed with xz/);
    const missing = { digest: wrong, size: 1 };
    await assert.rejects(store.layers.fromTar(missing), /not in the store/);
  });

  test("a damaged or missing index is made again", async () => {
    const store = openStore();
    const id = await layer(store, (w) => {
      w.add(directory("d"));
      w.add(file("d/f"), bytes("content"));
      w.whiteout("d/gone");
    });
    const index = join(store.root, "layers", id, "index");
    const whole = fs.readFileSync(index);
    const flipped = Buffer.from(whole);
    flipped[whole.length - 3]! ^= 1;
    for (const damage of [
      whole.subarray(0, 100),
      flipped,
      Buffer.alloc(0),
      Buffer.alloc(500, 255),
      undefined,
    ]) {
      if (damage === undefined) fs.rmSync(index);
      else fs.writeFileSync(index, damage);
      const view = await openLayerStore(store.content).view(id);
      assert.equal(view.read("d/f").toString(), "content");
      assert.equal(view.isWhiteout("d/gone"), true);
      fs.rmSync(index);
      assert.equal(fs.existsSync((await store.layers.source(id)).index), true);
      assert.equal(Buffer.from(view.fileDigest("d/f")).toString("hex"), digestOf("content").slice(7));
    }
  });

  test("what another boot did not sync is missing; what was synced stays", async () => {
    const store = openStore();
    const fill = (w: ReturnType<typeof openLayerWriter>) => w.add(file("f"), bytes("x"));
    const id = await layer(store, fill);
    const path = join(store.root, "layers", id, "record.json");
    const record = JSON.parse(fs.readFileSync(path, "utf8"));
    assert.equal(typeof record.unsynced, "string");
    fs.writeFileSync(path, JSON.stringify({ ...record, unsynced: "another boot" }));
    assert.equal(store.layers.record(id), undefined);
    assert.equal(store.layers.byDiffId(record.diffId), undefined);
    const again = await layer(store, fill);
    assert.notEqual(again, id);
    if (!isRoot) return;
    const unpacked = await store.layers.directory(again);
    await store.layers.sync();
    assert.equal(
      JSON.parse(fs.readFileSync(join(store.root, "layers", again, "record.json"), "utf8")).unsynced,
      undefined,
    );
    fs.writeFileSync(`${unpacked}.boot`, "another boot");
    fs.rmSync(join(unpacked, "f")); // as if the power had failed
    assert.equal(
      fs.readFileSync(join(await openLayerStore(store.content).directory(again), "f"), "utf8"),
      "x",
    );
  });

  test("a file that would become a whiteout is refused when the layer is packed", needsRoot, async () => {
    const store = openStore();
    const upper = fresh("upper");
    fs.mkdirSync(join(upper, "d"), { recursive: true });
    fs.writeFileSync(join(upper, "d", ".wh.x"), "");
    const id = await store.layers.adoptUpper(upper);
    await assert.rejects(store.layers.tar(id), /\/d\/\.wh\.x: image layers cannot hold/);
  });

  test("what a killed process left is not a layer", needsRoot, async () => {
    const store = openStore();
    const id = await layer(store, (w) => w.add(file("f"), bytes("x")));
    fs.mkdirSync(join(store.root, "layers", `tmp-${"0".repeat(32)}`));
    assert.deepEqual(
      [...store.layers.list()].map((r) => r.id),
      [id],
    );
    assert.deepEqual(fs.readdirSync(await store.layers.directory(id)), ["f"]);
    store.layers.remove(id);
    assert.deepEqual([...store.layers.list()], []);
    await assert.rejects(store.layers.view(id), /not in the store/);
  });

  test("an aborted unpack leaves no directory", needsRoot, async () => {
    const store = openStore();
    const id = await layer(store, (w) => {
      for (let i = 0; i < 3000; i++) w.add(file(`f${i}`), bytes("x"));
    });
    const controller = new AbortController();
    const unpacking = store.layers.directory(id, [], controller.signal);
    setTimeout(() => controller.abort(), 5);
    await assert.rejects(unpacking, (error) => error instanceof BuildError && error.code === "canceled");
    assert.equal(fs.readdirSync(await store.layers.directory(id)).length, 3000);
  });
});

test("the same tar is the same layer, also when two ask at once", async () => {
  const store = openStore();
  const writer = openLayerWriter({ file: fresh("tar") });
  writer.add(file("a"), bytes("a"));
  const tar = fs.readFileSync(writer.finish().file);
  const plain = await ingest(store, tar);
  const gzip = await ingest(store, gzipSync(tar));
  const [a, b] = await Promise.all([store.layers.fromTar(gzip), store.layers.fromTar(gzip)]);
  assert.equal(a, b);
  assert.equal(await store.layers.fromTar(plain, { diffId: plain.digest }), a);
  assert.equal((await store.layers.compressed(plain.digest, "gzip")).digest, gzip.digest);
});

test("adopting the same content again keeps the layer and its usage is known", async () => {
  const store = openStore();
  const fill = (w: ReturnType<typeof openLayerWriter>) => w.add(file("a"), bytes("a"));
  const id = await layer(store, fill);
  assert.equal(await layer(store, fill), id);
  const usage = store.layers.usage(id);
  assert.equal(usage.tar, 2048);
  assert.ok(usage.index! > 0);
  assert.equal(usage.directory, undefined);
});
