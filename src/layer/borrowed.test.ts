import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { getXattr } from "../sys/index.ts";
import { openLayerWriter } from "./tar/index.ts";
import { bytes, capability, directory, file, layer, needsRoot, openStore } from "./testing/store.ts";

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
