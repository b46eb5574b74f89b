import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  contentDigest,
  createIndexBuilder,
  createRootfs,
  type IndexedEntry,
  type LayerView,
  openView,
} from "./index.ts";

const directory = mkdtempSync(join(tmpdir(), "rootfs-"));
after(() => rmSync(directory, { recursive: true }));
let count = 0;

/** `name/`: directory, `name -> target`: symlink, `name => target`: hardlink, `-name`: whiteout, `!name`: opaque, else a file. */
function layer(...lines: readonly string[]): LayerView {
  const id = `layer-${count++}`;
  const builder = createIndexBuilder();
  let data = "";
  for (const line of lines) {
    const entry = { mode: 0o644, uid: 0, gid: 0, size: 0, mtime: count };
    const [symlink, target] = line.split(" -> ");
    const [hardlink, linkname] = line.split(" => ");
    if (line.startsWith("-")) builder.whiteout(line.slice(1));
    else if (line.startsWith("!")) builder.opaque(line.slice(1));
    else if (line.endsWith("/"))
      builder.add({ ...entry, path: line.slice(0, -1), type: "directory", mode: 0o750 });
    else if (target !== undefined)
      builder.add({ ...entry, path: symlink!, type: "symlink", linkname: target });
    else if (linkname !== undefined) builder.add({ ...entry, path: hardlink!, type: "hardlink", linkname });
    else {
      const [path = "", text = id] = line.split(": ");
      builder.add({ ...entry, path, type: "file", size: text.length, position: data.length });
      data += text;
    }
  }
  writeFileSync(join(directory, `${id}.index`), builder.finish().bytes);
  writeFileSync(join(directory, id), data);
  return openView({
    id,
    index: join(directory, `${id}.index`),
    digests: join(directory, `${id}.digests`),
    content: { kind: "tar", path: join(directory, id) },
  });
}

const stack = (...layers: readonly (readonly string[])[]) =>
  createRootfs(layers.map((lines) => layer(...lines)));
const walk = (rootfs: ReturnType<typeof stack>, path = "") => [...rootfs.walk(path)].map((e) => e.path);

test("the top layer wins, whiteouts hide, and what is hidden stays hidden below", () => {
  const rootfs = stack(
    ["a: one", "b: one", "d/", "d/x: one", "d/y: one"],
    ["-b", "d/", "-d/x", "c: two"],
    ["a: three", "d/z"],
  );
  assert.deepEqual(walk(rootfs), ["", "a", "c", "d", "d/y", "d/z"]);
  assert.equal(rootfs.read("a").toString(), "three");
  assert.equal(rootfs.lookup("b"), undefined);
  assert.equal(rootfs.lookup("d/x"), undefined);
  assert.equal(rootfs.read("d/y").toString(), "one");
  assert.deepEqual(
    rootfs.children("d").map((e) => e.path),
    ["d/y", "d/z"],
  );
});

test("an opaque directory, a file or a link in place of a directory hide what is below", () => {
  const rootfs = stack(
    ["d/", "d/old", "e/", "e/old", "f/", "f/old", "g/", "g/s/", "g/s/old"],
    ["d/", "!d", "d/new", "e", "f -> d", "g/", "!g", "g/s/"],
  );
  assert.deepEqual(walk(rootfs), ["", "d", "d/new", "e", "f", "g", "g/s"]);
  for (const path of ["d/old", "e/old", "f/old", "g/s/old"])
    assert.equal(rootfs.lookup(path), undefined, path);
  assert.equal(rootfs.resolve("f/new").path, "d/new");
});

test("a whiteout in the middle hides only what was below it", () => {
  const rootfs = stack(["d/", "d/x: one"], ["-d"], ["d/", "d/y: three"]);
  assert.deepEqual(walk(rootfs), ["", "d", "d/y"]);
  assert.equal(rootfs.lookup("d/x"), undefined);
});

test("names are ordered by directory, not by path", () => {
  const rootfs = stack(["a/", "a/x", "a-b", "a.c", "ab/", "ab/y"], ["a/0", "a/x/deep/er"]);
  assert.deepEqual(walk(rootfs).slice(1), [
    "a",
    "a/0",
    "a/x",
    "a/x/deep",
    "a/x/deep/er",
    "a-b",
    "a.c",
    "ab",
    "ab/y",
  ]);
  assert.deepEqual(walk(rootfs, "ab"), ["ab", "ab/y"]);
});

test("links are followed in every component, inside the root, up to a limit", () => {
  const rootfs = stack(
    [
      "usr/",
      "usr/bin/",
      "usr/bin/sh: shell",
      "bin -> usr/bin",
      "up -> ../../../usr",
      "abs -> /bin/sh",
      "loop -> loop",
    ],
    ["sh2 => abs", "dangling -> /no/where"],
  );
  assert.equal(rootfs.resolve("bin/sh").path, "usr/bin/sh");
  assert.equal(rootfs.resolve("/up/./bin/../bin/sh").path, "usr/bin/sh");
  assert.equal(rootfs.read("abs").toString(), "shell");
  assert.equal(rootfs.read("sh2").toString(), "shell");
  assert.equal(rootfs.resolve("abs", { nofollow: true }).entry?.type, "symlink");
  assert.deepEqual(rootfs.resolve("dangling"), { path: "no/where", entry: undefined });
  assert.deepEqual(rootfs.resolve("bin/new/dir"), { path: "usr/bin/new/dir", entry: undefined });
  assert.throws(() => rootfs.resolve("loop/x"), /too many levels/);
  assert.throws(() => rootfs.read("usr"), /directory/);
});

test("a hardlink names the file that its own layer saw", () => {
  const rootfs = stack(["a: one"], ["b => a"], ["a: three"]);
  assert.equal(rootfs.read("b").toString(), "one");
  assert.equal(rootfs.read("a").toString(), "three");
  const broken = stack(["b => a"]);
  assert.throws(() => broken.read("b"), /hardlink to a/);
  assert.equal(stack(["a: one"], ["a => a"]).read("a").toString(), "one");
  assert.equal(stack(["a => a"]).lookup("a"), undefined);
  for (const circle of [
    ["a => b", "b => a"],
    ["a => b", "b => c", "c => a"],
  ])
    assert.throws(() => stack(circle), /entry a: a hardlink that leads back to itself/);
  const last = stack(["c: one"], ["a => b", "b => c"]);
  assert.equal(last.read("a").toString(), "one");
});

test("content digests see content and metadata, not times, layers or names above", () => {
  const digest = (path: string, ...layers: (readonly string[])[]) =>
    contentDigest(stack(...layers), path, { follow: true });
  const one = digest("d", ["d/", "d/f: text", "d/h => d/f"]);
  assert.equal(digest("e/d", ["e/", "e/d/"], ["e/d/f: text", "e/d/h: text"]), one);
  assert.equal(digest("l", ["d/", "l -> d", "d/f: other", "d/x"], ["-d/x", "d/f: text", "d/h: text"]), one);
  assert.notEqual(digest("d", ["d/", "d/f: texT", "d/h => d/f"]), one);
  assert.notEqual(digest("d", ["d/", "d/f: text"]), one);
  assert.notEqual(digest("d", ["d/f: text", "d/h => d/f"]), one, "mode of the directory");
  assert.throws(() => digest("nothing", ["d/"]), /no such file/);
  assert.notEqual(contentDigest(stack(["l -> d", "d/"]), "l"), contentDigest(stack(["l -> e", "e/"]), "l"));
});

test("file digests are remembered beside the index, and lines that are damaged are not believed", () => {
  const view = layer("f: content", "g: content");
  const digest = Buffer.from(view.fileDigest("f"));
  view.saveDigests();
  const source = {
    id: view.id,
    index: join(directory, `${view.id}.index`),
    digests: join(directory, `${view.id}.digests`),
  };
  const reopen = (content: string) =>
    openView({ ...source, content: { kind: "tar", path: join(directory, content) } });
  assert.deepEqual(Buffer.from(reopen("no such file").fileDigest("f")), digest);
  assert.throws(() => reopen("no such file").fileDigest("g"), /ENOENT/);
  writeFileSync(source.digests, Buffer.alloc(85, 1));
  assert.deepEqual(Buffer.from(reopen(view.id).fileDigest("f")), digest);
});

test("an index of 100,000 entries finds everything", () => {
  const builder = createIndexBuilder();
  const paths: string[] = [];
  for (let i = 0; i < 100_000; i++) paths.push(`p${i % 97}/q${i % 31}/file-${(i * 7919) % 100_003}.js`);
  const entry: Omit<IndexedEntry, "path"> = { type: "file", mode: 0o644, uid: 0, gid: 0, size: 1, mtime: 0 };
  for (const path of paths) builder.add({ ...entry, path });
  const index = join(directory, "big");
  writeFileSync(index, builder.finish().bytes);
  const view = openView({ id: "big", index, content: { kind: "tar", path: "unused" } });
  for (const path of paths) assert.equal(view.lookup(path)?.path, path);
  assert.equal(view.lookup("p0/q0/nothing"), undefined);
  const children = [...view.children("p3")].map((e) => e.path);
  assert.equal(children.length, 31);
  assert.deepEqual(children, children.toSorted());
  let files = 0;
  for (const found of view.entries("")) if (found.type === "file") files++;
  assert.equal(files, 100_000);
});
