import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { BuildError, digestOf } from "../core/index.ts";
import { openView } from "../snapshot/index.ts";
import type { NewEntry } from "./index.ts";
import { openLayerWriter, readTar } from "./tar/index.ts";
import { encodeHeader } from "./tar-header.ts";

const directory = fs.mkdtempSync(join(tmpdir(), "layer-writer-"));
after(() => fs.rmSync(directory, { recursive: true }));
let count = 0;
const fresh = () => join(directory, `${count++}`);
const file = (path: string): NewEntry => ({ path, type: "file", mode: 0o644, uid: 0, gid: 0, mtime: 0 });

/** Everything that is read back, position left out. */
function members(tar: string) {
  const fd = fs.openSync(tar, "r");
  try {
    const read = (target: Buffer, position: number) => fs.readSync(fd, target, 0, target.length, position);
    return [...readTar({ size: fs.fstatSync(fd).size, read })];
  } finally {
    fs.closeSync(fd);
  }
}

test("numbers that octal fields cannot hold survive", () => {
  const entry: NewEntry = { ...file("big"), uid: 4_000_000_000, gid: 2_097_152, mtime: -3 };
  const size = 9 * 2 ** 30;
  const header = encodeHeader(entry, size);
  const head = Buffer.alloc(512);
  header.write(head, 0);
  const bytes = Buffer.concat([header.pax!, head]);
  const [member] = readTar({
    size: bytes.length + size,
    read: (target, position) =>
      position >= bytes.length ? target.fill(0).length : bytes.copy(target, 0, position),
  });
  assert.deepEqual(
    [member?.size, member?.uid, member?.gid, member?.mtime],
    [size, 4_000_000_000, 2_097_152, -3],
  );
});

test("names of every length around the limits of ustar survive", () => {
  const tar = fresh();
  const writer = openLayerWriter({ file: tar });
  const names: string[] = [];
  for (const length of [98, 99, 100, 101, 154, 155, 156, 200, 255, 256, 257, 300])
    for (const part of [50, 99, 100, 155, 254]) {
      const name = Array.from({ length }, (_, i) =>
        i > 0 && i < length - 1 && i % part === 0 ? "/" : "n",
      ).join("");
      if (name.split("/").every((p) => p.length < 256)) names.push(`${names.length}${name}`);
    }
  for (const path of names) writer.add(file(path));
  writer.add({ ...file("l"), type: "symlink", linkname: "t".repeat(101) });
  writer.add({ ...file(`${"d".repeat(99)}`), type: "directory" });
  writer.add({ ...file(`${"e".repeat(100)}`), type: "directory" });
  writer.finish();
  const expected = [...names, "l", `${"d".repeat(99)}/`, `${"e".repeat(100)}/`];
  assert.deepEqual(
    members(tar).map((m) => m.name),
    expected,
  );
  assert.equal(members(tar).at(-3)?.linkname.length, 101);
});

test("content of every size around blocks and buffers is whole, and its digest known", () => {
  const tar = fresh();
  const source = fresh();
  const writer = openLayerWriter({ file: tar, digests: true });
  const content = new Map<string, Buffer>();
  for (const size of [0, 1, 511, 512, 513, 524_287, 524_288, 524_289, 1_500_000]) {
    const data = Buffer.from(Array.from({ length: size }, (_, i) => (i * 7 + size) % 251));
    content.set(`bytes-${size}`, data).set(`fd-${size}`, data);
    writer.add(file(`bytes-${size}`), { kind: "bytes", bytes: data });
    fs.writeFileSync(source, data);
    const fd = fs.openSync(source, "r");
    writer.add(file(`fd-${size}`), { kind: "fd", fd, size });
    fs.closeSync(fd);
    assert.equal(Buffer.from(writer.lastDigest()).toString("hex"), digestOf(data).slice(7));
  }
  const packed = writer.finish();
  assert.equal(packed.diffId, digestOf(fs.readFileSync(tar)));
  assert.equal(packed.size, fs.statSync(tar).size);
  assert.equal(packed.entryCount, content.size);
  const view = openView({ id: "t", index: packed.indexFile, content: { kind: "tar", path: tar } });
  for (const [name, data] of content) assert.ok(view.read(name).equals(data), name);
  view.close();

  const shared = fs.openSync(tar, "r");
  const copy = openLayerWriter({ file: fresh() });
  for (const [name] of content) {
    const { position, size } = view.open(name);
    copy.add(file(name), { kind: "fd", fd: shared, position, size, shared: true });
  }
  fs.closeSync(shared);
  view.close();
  assert.equal(copy.finish().diffId, packed.diffId, "read ahead gives the same bytes");
});

test("a file that became shorter is reported, and an abort leaves nothing", () => {
  const tar = fresh();
  const source = fresh();
  fs.writeFileSync(source, "short");
  const fd = fs.openSync(source, "r");
  const writer = openLayerWriter({ file: tar });
  assert.throws(
    () => writer.add(file("src/app.ts"), { kind: "fd", fd, size: 9 }),
    (error) =>
      error instanceof BuildError &&
      error.code === "failed-precondition" &&
      /src\/app\.ts changed while it was read: 5 bytes instead of 9/.test(error.message),
  );
  fs.closeSync(fd);
  writer.abort();
  assert.equal(fs.existsSync(tar), false);
  assert.throws(
    () => writer.add({ ...file("d"), type: "directory" }, { kind: "bytes", bytes: Buffer.of(1) }),
    /no content/,
  );
});
