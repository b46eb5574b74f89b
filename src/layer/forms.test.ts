import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Digest, digestOf } from "../core/index.ts";
import { contentDigest } from "../snapshot/index.ts";
import { getXattr, makeNode, setXattr } from "../sys/index.ts";
import { capability, fresh, ingest, needsRoot, openStore, type Store } from "./testing/store.ts";

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
