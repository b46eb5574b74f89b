import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { openContentStore } from "../content/index.ts";
import { BuildError, type Digest, digestOf } from "../core/index.ts";
import { contentDigest } from "../snapshot/index.ts";
import { getXattr, makeNode, setXattr } from "../sys/index.ts";
import { type NewEntry, openLayerStore } from "./index.ts";
import { openLayerWriter } from "./tar/index.ts";

const isRoot = process.getuid?.() === 0;
const needsRoot = { skip: isRoot ? false : "needs root" };
const base = fs.mkdtempSync(join(fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "layer-store-"));
after(() => fs.rmSync(base, { recursive: true, force: true }));

let count = 0;
const fresh = (name: string) => join(base, `${name}-${count++}`);

function openStore() {
  const root = fresh("store");
  fs.mkdirSync(root);
  const content = openContentStore(root);
  return { root, content, layers: openLayerStore(content) };
}
type Store = ReturnType<typeof openStore>;

const capability = Buffer.from("0100000200040000000000000000000000000000", "hex");
const file = (path: string, more: Partial<NewEntry> = {}): NewEntry => ({
  path,
  type: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: 1000,
  ...more,
});
const directory = (path: string, more: Partial<NewEntry> = {}) =>
  file(path, { type: "directory", mode: 0o755, ...more });
const bytes = (text: string) => ({ kind: "bytes", bytes: Buffer.from(text) }) as const;

/** A layer from what `fill` writes. */
function layer(store: Store, fill: (writer: ReturnType<typeof openLayerWriter>) => void): Promise<string> {
  const writer = openLayerWriter({ file: store.content.temporary(), digests: true });
  fill(writer);
  return store.layers.adoptPacked(writer.finish());
}

/** Everything that matters of a tree on disk, found without the code under test. */
function listing(root: string): string[] {
  const inodes = new Map<number, string>();
  const lines: string[] = [];
  const visit = (path: Buffer, name: Buffer) => {
    const stat = fs.lstatSync(path);
    const isFile = stat.isFile();
    const first = inodes.get(stat.ino);
    if (isFile && first === undefined) inodes.set(stat.ino, name.toString("hex"));
    const content = isFile ? createHash("sha256").update(fs.readFileSync(path)).digest("hex") : "";
    const link = stat.isSymbolicLink() ? fs.readlinkSync(path, { encoding: "buffer" }).toString("hex") : "";
    const caps = isFile ? (getXattr(path, "security.capability")?.toString("hex") ?? "") : "";
    const opaque = stat.isDirectory() ? (getXattr(path, "trusted.overlay.opaque")?.toString() ?? "") : "";
    // A tar has no time for a whiteout.
    const isWhiteout = stat.isCharacterDevice() && stat.rdev === 0;
    const mtime = isWhiteout ? 0 : Math.floor(stat.mtimeMs / 1000);
    const facts = [
      stat.mode.toString(8),
      stat.uid,
      stat.gid,
      stat.rdev,
      mtime,
      first ?? "",
      link,
      caps,
      opaque,
    ];
    lines.push(`${name.toString("latin1")} ${facts.join(" ")} ${content}`);
    if (stat.isDirectory())
      for (const child of fs.readdirSync(path, { encoding: "buffer" }).sort(Buffer.compare))
        visit(Buffer.concat([path, Buffer.from("/"), child]), Buffer.concat([name, Buffer.from("/"), child]));
  };
  for (const child of fs.readdirSync(root, { encoding: "buffer" }).sort(Buffer.compare))
    visit(Buffer.concat([Buffer.from(`${root}/`), child]), child);
  return lines;
}

/** A tree with everything that is odd in real root filesystems. */
function makeOddTree(root: string): void {
  const at = (name: string) => Buffer.from(`${root}/${name}`, "latin1");
  fs.mkdirSync(join(root, "empty"), { recursive: true });
  fs.mkdirSync(at("dir/sub"), { recursive: true, mode: 0o755 });
  fs.writeFileSync(at("dir/plain"), "plain");
  fs.writeFileSync(at("dir/empty-file"), "");
  fs.writeFileSync(at("dir/\xff\xfe not utf-8"), "odd");
  fs.writeFileSync(at("dir/new\nline"), "newline");
  fs.writeFileSync(at(`dir/${"n".repeat(255)}`), "long name");
  const deep = `dir/${"d".repeat(90)}/${"e".repeat(90)}/${"f".repeat(90)}`;
  fs.mkdirSync(at(deep), { recursive: true });
  fs.writeFileSync(at(`${deep}/file`), "deep");
  fs.symlinkSync("plain", at("dir/link"));
  fs.symlinkSync(`/${"t".repeat(150)}`, at("dir/long-link"));
  fs.linkSync(at("dir/plain"), at("dir/sub/hard"));
  fs.writeFileSync(at("dir/setuid"), "x");
  fs.chownSync(at("dir/setuid"), 12, 34);
  fs.chmodSync(at("dir/setuid"), 0o6755);
  fs.writeFileSync(at("dir/ping"), "capable");
  setXattr(at("dir/ping"), "security.capability", capability);
  fs.writeFileSync(at("dir/owner"), "x");
  fs.chownSync(at("dir/owner"), 3_000_000, 3_000_001);
  fs.lchownSync(at("dir/link"), 5, 6);
  makeNode(at("fifo"), "fifo", 0o640);
  makeNode(at("null"), "char", 0o666, 1, 3);
  fs.mkdirSync(at("tmp"));
  fs.chmodSync(at("tmp"), 0o1777);
  fs.writeFileSync(at("big"), Buffer.alloc(3 << 20, "0123456789"));
  fs.utimesSync(at("dir/plain"), 1_600_000_000.9, 1_600_000_000.9);
  fs.utimesSync(at("dir"), 86_400, 86_400);
}

const tarHash = (path: string): Digest => digestOf(fs.readFileSync(path));

async function ingest(store: Store, data: Uint8Array) {
  return store.content.ingestBytes(data);
}

describe("forms of a layer", () => {
  test("a tar made by GNU tar unpacks to what GNU tar makes of it", needsRoot, async () => {
    const tree = fresh("tree");
    fs.mkdirSync(tree);
    makeOddTree(tree);
    for (const format of ["gnu", "pax"]) {
      const tar = fresh("tar");
      const xattrs = format === "pax" ? ["--xattrs", "--xattrs-include=security.*"] : [];
      execFileSync("tar", ["cf", tar, `--format=${format}`, ...xattrs, "-C", tree, "."]);
      const expected = fresh("expected");
      fs.mkdirSync(expected);
      execFileSync("tar", ["xpf", tar, ...xattrs, "-C", expected]);
      const store = openStore();
      const id = await store.layers.fromTar(await ingest(store, gzipSync(fs.readFileSync(tar))), {
        diffId: tarHash(tar),
      });
      assert.deepEqual(listing(await store.layers.directory(id)), listing(expected));
      assert.equal(store.layers.byDiffId(tarHash(tar)), id);
    }
  });

  test("diffID and content digest do not depend on the form that came first", needsRoot, async () => {
    const upper = fresh("upper");
    fs.mkdirSync(upper);
    makeOddTree(upper);
    makeNode(join(upper, "dir/gone"), "char", 0);
    setXattr(join(upper, "empty"), "trusted.overlay.opaque", Buffer.from("y"));
    const before = listing(upper);

    const one = openStore();
    const fromUpper = await one.layers.adoptUpper(upper);
    const packed = await one.layers.tar(fromUpper);
    assert.equal(tarHash(one.content.path(packed.diffId)), packed.diffId);
    assert.equal(fs.existsSync(upper), false);

    const two = openStore();
    const blob = await ingest(two, fs.readFileSync(one.content.path(packed.diffId)));
    const fromTar = await two.layers.fromTar(blob, { diffId: packed.diffId });
    const unpacked = await two.layers.directory(fromTar);
    assert.deepEqual(listing(unpacked), before);

    const third = openStore();
    const copy = fresh("copy");
    execFileSync("cp", ["-a", unpacked, copy]);
    assert.deepEqual(await third.layers.tar(await third.layers.adoptUpper(copy)), packed);

    const digests = await Promise.all(
      [one.layers.rootfs({ layers: [fromUpper] }), two.layers.rootfs({ layers: [fromTar] })].map(
        async (rootfs) => contentDigest(await rootfs, ""),
      ),
    );
    assert.equal(digests[0], digests[1]);
    const all = async (store: Store, id: string) =>
      [...(await store.layers.view(id)).entries("")].map((entry) => ({ ...entry }));
    assert.deepEqual(await all(one, fromUpper), await all(two, fromTar));

    const names = execFileSync("tar", ["tf", one.content.path(packed.diffId)], { encoding: "latin1" });
    assert.match(names, /^dir\/\.wh\.gone$/m);
    assert.match(names, /^empty\/\.wh\.\.wh\.\.opq$/m);
    const restored = fresh("restored");
    fs.mkdirSync(restored);
    execFileSync("tar", [
      "xpf",
      one.content.path(packed.diffId),
      "--xattrs",
      "--xattrs-include=*",
      "-C",
      restored,
    ]);
    const strip = (lines: string[]) =>
      lines.filter((l) => !/^(dir\/gone|dir\/\.wh|empty)/.test(l)).map((l) => l.replace(/^dir .*/, "dir"));
    assert.deepEqual(strip(listing(restored)), strip(before));
  });

  test("20,000 files in one directory go through a worker", needsRoot, async () => {
    const upper = fresh("upper");
    fs.mkdirSync(join(upper, "d"), { recursive: true });
    for (let i = 0; i < 20_000; i++) fs.writeFileSync(join(upper, `d/f${i}`), `${i}`);
    const store = openStore();
    const id = await store.layers.adoptUpper(upper);
    assert.equal(store.layers.record(id)?.entryCount, 20_001);
    const { diffId } = await store.layers.tar(id);
    const other = openStore();
    const copy = await other.layers.fromTar(await ingest(other, fs.readFileSync(store.content.path(diffId))));
    const unpacked = await other.layers.directory(copy);
    assert.equal(fs.readdirSync(join(unpacked, "d")).length, 20_000);
    assert.equal(fs.readFileSync(join(unpacked, "d/f19999"), "utf8"), "19999");
  });

  test("umoci and skopeo take a packed layer", needsRoot, async () => {
    const upper = fresh("upper");
    fs.mkdirSync(upper);
    makeOddTree(upper);
    fs.rmSync(join(upper, "dir/owner")); // umoci cannot map it everywhere
    const expected = listing(upper);
    const store = openStore();
    const { diffId, size } = await store.layers.tar(await store.layers.adoptUpper(upper));
    const gzip = await store.layers.compressed(diffId, "gzip");
    const config = await ingest(
      store,
      Buffer.from(
        JSON.stringify({
          architecture: "amd64",
          os: "linux",
          config: {},
          rootfs: { type: "layers", diff_ids: [diffId] },
        }),
      ),
    );
    for (const [blob, suffix] of [
      [{ digest: diffId, size }, ""],
      [gzip, "+gzip"],
    ] as const) {
      const manifest = await ingest(
        store,
        Buffer.from(
          JSON.stringify({
            schemaVersion: 2,
            mediaType: "application/vnd.oci.image.manifest.v1+json",
            config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
            layers: [{ mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}`, ...blob }],
          }),
        ),
      );
      const descriptor = {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        ...manifest,
        annotations: { "org.opencontainers.image.ref.name": "t" },
      };
      fs.writeFileSync(
        join(store.root, "index.json"),
        JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }),
      );
      const bundle = fresh("bundle");
      execFileSync("umoci", ["unpack", "--image", `${store.root}:t`, bundle], { stdio: "pipe" });
      assert.deepEqual(listing(join(bundle, "rootfs")), expected);
      execFileSync("skopeo", ["copy", "-q", `oci:${store.root}:t`, `dir:${fresh("dir")}`], { stdio: "pipe" });
    }
  });
});

describe("layers on other layers", () => {
  test("implied directories take their metadata from below", needsRoot, async () => {
    const store = openStore();
    const one = await layer(store, (w) => {
      w.add(directory("tmp", { mode: 0o1777, mtime: 77 }));
      w.add(directory("home", { uid: 5, gid: 6 }));
    });
    const two = await layer(store, (w) => {
      w.add(file("tmp/x"), bytes("x"));
      w.add(file("home/me/y"), bytes("y"));
    });
    const [, top] = await store.layers.directories({ layers: [one, two] });
    const stat = fs.statSync(join(top!, "tmp"));
    assert.equal(stat.mode & 0o7777, 0o1777);
    assert.equal(stat.mtimeMs, 77_000);
    assert.equal(fs.statSync(join(top!, "home")).uid, 5);
    assert.equal(fs.statSync(join(top!, "home/me")).uid, 0);
    const alone = await store.layers.directory(two);
    assert.notEqual(alone, top);
    assert.equal(fs.statSync(join(alone, "tmp")).mode & 0o7777, 0o755);
    const rootfs = await store.layers.rootfs({ layers: [one, two] });
    assert.equal(rootfs.lookup("tmp")?.mode, 0o1777);
    assert.deepEqual(
      rootfs.children("").map((e) => [e.path, e.mode, e.uid]),
      [
        ["home", 0o755, 5],
        ["tmp", 0o1777, 0],
      ],
    );
  });

  test("a hardlink to a file of a lower layer brings that file", needsRoot, async () => {
    const store = openStore();
    const one = await layer(store, (w) =>
      w.add(
        file("a", { mode: 0o4755, uid: 7, xattrs: new Map([["security.capability", capability]]) }),
        bytes("below"),
      ),
    );
    const two = await layer(store, (w) => w.add(file("b", { type: "hardlink", linkname: "a" })));
    const [, top] = await store.layers.directories({ layers: [one, two] });
    assert.equal(fs.readFileSync(join(top!, "b"), "utf8"), "below");
    assert.equal(fs.statSync(join(top!, "b")).mode & 0o7777, 0o4755);
    assert.equal(fs.statSync(join(top!, "b")).uid, 7);
    assert.deepEqual(getXattr(join(top!, "b"), "security.capability"), capability);
    const rootfs = await store.layers.rootfs({ layers: [one, two] });
    assert.equal(rootfs.read("b").toString(), "below");
    await assert.rejects(store.layers.directory(two), /b is a hardlink to a/);
  });

  test("entries below a link of the base are where it leads", needsRoot, async () => {
    const store = openStore();
    const one = await layer(store, (w) => {
      w.add(directory("usr"));
      w.add(directory("usr/bin"));
      w.add(file("bin", { type: "symlink", linkname: "usr/bin", mode: 0o777 }));
    });
    const writer = openLayerWriter({ file: store.content.temporary() });
    writer.add(file("bin/tool"), bytes("tool"));
    const packed = writer.finish();
    const plain = await store.layers.adoptPacked(packed);
    const blob = { digest: packed.diffId, size: packed.size };
    const two = await store.layers.fromTar(blob, { diffId: packed.diffId, below: { layers: [one] } });
    assert.notEqual(two, plain);
    assert.equal(await store.layers.fromTar(blob, { diffId: packed.diffId, below: { layers: [one] } }), two);
    assert.equal((await store.layers.tar(two)).diffId, packed.diffId);
    const rootfs = await store.layers.rootfs({ layers: [one, two] });
    assert.equal(rootfs.lookup("bin")?.type, "symlink");
    assert.equal(rootfs.read("/bin/tool").toString(), "tool");
    const [, top] = await store.layers.directories({ layers: [one, two] });
    assert.equal(fs.readFileSync(join(top!, "usr/bin/tool"), "utf8"), "tool");
  });

  test("a layer that hides everything is the lowest of a mount", needsRoot, async () => {
    const store = openStore();
    const one = await layer(store, (w) => w.add(file("old"), bytes("x")));
    const two = await layer(store, (w) => {
      w.opaque("");
      w.add(file("new"), bytes("x"));
    });
    assert.equal((await store.layers.directories({ layers: [one, two] })).length, 1);
    assert.deepEqual(await store.layers.directories({ layers: [] }), []);
  });
});

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
