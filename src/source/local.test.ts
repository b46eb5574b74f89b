import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { digestAt, type LocalTree, localSource } from "./index.ts";

interface Workspace extends Disposable {
  readonly root: string;
  readonly memoDirectory: string;
}

function workspace(files: Readonly<Record<string, string | { link: string }>>): Workspace {
  const directory = mkdtempSync(join(tmpdir(), "local-"));
  const root = join(directory, "ctx");
  mkdirSync(root);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    if (typeof content === "string") writeFileSync(join(root, path), content);
    else symlinkSync(content.link, join(root, path));
  }
  return {
    root,
    memoDirectory: join(directory, "contexts"),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

const pathsOf = (tree: LocalTree): string[] => tree.table.paths.slice(1);

async function scanned(root: string, options: Partial<Parameters<typeof localSource>[0]>): Promise<string[]> {
  return pathsOf(await localSource({ name: "context", directory: root, ...options }));
}

async function digestOfFile(place: Workspace, path: string): Promise<string> {
  const tree = await localSource({
    name: "context",
    directory: place.root,
    memoDirectory: place.memoDirectory,
  });
  const row = tree.table.paths.indexOf(path);
  await tree.hash([row]);
  return Buffer.from(digestAt(tree.digests, row)!).toString("hex");
}

const sha256 = (text: string): string =>
  execFileSync("sha256sum", { input: text, encoding: "utf8" }).slice(0, 64);

test("depth first, names in byte order; owners are reset, modes and times kept", async () => {
  using place = workspace({ "a/z": "1", "a-b": "2", "a/y/x": "3", B: "4" });
  chmodSync(join(place.root, "a-b"), 0o6750);
  utimesSync(join(place.root, "a-b"), 99.5, 99.5);
  const tree = await localSource({ name: "context", directory: place.root });
  assert.deepEqual(
    pathsOf(tree),
    ["B", "a", "a/y", "a/y/x", "a/z", "a-b"].sort((x, y) => order(x, y)),
  );
  const { mode, uid, gid, mtime } = tree.view.lookup("a-b")!;
  assert.deepEqual({ mode, uid, gid, mtime }, { mode: 0o6750, uid: 0, gid: 0, mtime: 99 });
  assert.deepEqual(
    [...tree.view.children("a")].map(({ path }) => path),
    ["a/y", "a/z"],
  );
  assert.deepEqual(
    [...tree.view.entries("")].map(({ path }) => path),
    ["", "B", "a", "a-b", "a/y", "a/y/x", "a/z"],
  );
  assert.equal(tree.rootfs.read("a/y/x").toString(), "3");
});

/** By components: `a/z` before `a-b`. */
function order(a: string, b: string): number {
  const [x, y] = [a.replaceAll("/", "\0"), b.replaceAll("/", "\0")];
  return x < y ? -1 : 1;
}

test("exclude patterns with exceptions", async () => {
  using place = workspace({
    "node_modules/x": "",
    "src/a.ts": "",
    "src/a.test.ts": "",
    "keep/out/y": "",
    "keep/in": "",
  });
  assert.deepEqual(await scanned(place.root, { exclude: ["node_modules", "**/*.test.ts"] }), [
    "keep",
    "keep/in",
    "keep/out",
    "keep/out/y",
    "src",
    "src/a.ts",
  ]);
  assert.deepEqual(await scanned(place.root, { exclude: ["*", "!keep/out"] }), [
    "keep",
    "keep/out",
    "keep/out/y",
  ]);
});

test("include patterns bring the directories above them, nothing else", async () => {
  using place = workspace({ "a/b/c": "", "a/d": "", "e/f.txt": "", "e/g": "" });
  assert.deepEqual(await scanned(place.root, { includePatterns: ["a/b"] }), ["a", "a/b", "a/b/c"]);
  assert.deepEqual(await scanned(place.root, { includePatterns: ["**/*.txt"] }), ["e", "e/f.txt"]);
  assert.deepEqual(await scanned(place.root, { includePatterns: ["e"], exclude: ["e/g"] }), ["e", "e/f.txt"]);
});

test("a pattern that is none is named, with a hint where there is one", async () => {
  using place = workspace({});
  const failure = (pattern: string) =>
    scanned(place.root, { includePatterns: [pattern] }).catch(({ message, hint }) => [message, hint]);
  assert.deepEqual(await failure("!"), [
    'invalid includepatterns: [!]: illegal exclusion pattern: "!"',
    undefined,
  ]);
  assert.match(String(await failure("[a")), /syntax error in pattern.*if a JSON array was meant/s);
});

test("followed paths lead through symlinks, inside the root", async () => {
  using place = workspace({
    "real/file": "",
    "real/other": "",
    way: { link: "real" },
    "deep/up": { link: "../way/file" },
    "deep/no": "",
    abs: { link: "/real/other" },
    out: { link: "../../../../etc/hostname" },
    loop: { link: "loop" },
  });
  const follow = (...followPaths: string[]) => scanned(place.root, { followPaths });
  assert.deepEqual(await follow("way/file"), ["real", "real/file", "way"]);
  assert.deepEqual(await follow("deep/up"), ["deep", "deep/up", "real", "real/file", "way"]);
  assert.deepEqual(await follow("abs"), ["abs", "real", "real/other"]);
  assert.deepEqual(await follow("out"), ["out"]);
  assert.deepEqual(await follow("loop"), ["loop"]);
  assert.deepEqual(await follow("real/o*"), ["real", "real/other"]);
  assert.equal((await follow("/")).length, 10);
  assert.deepEqual(await follow("missing"), []);
});

test("hard links, sockets and pipes", async () => {
  using place = workspace({ one: "same" });
  linkSync(join(place.root, "one"), join(place.root, "two"));
  execFileSync("mkfifo", [join(place.root, "pipe")]);
  const server = createServer().listen(join(place.root, "sock"));
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    const { view } = await localSource({ name: "context", directory: place.root });
    assert.deepEqual([view.lookup("two")?.type, view.lookup("two")?.linkname], ["hardlink", "one"]);
    assert.equal(view.lookup("pipe")?.type, "fifo");
    assert.deepEqual([view.lookup("sock")?.type, view.lookup("sock")?.size], ["file", 0]);
  } finally {
    server.close();
  }
});

test("what cannot be opened is named", async () => {
  using place = workspace({ a: "x" });
  await assert.rejects(scanned(join(place.root, "nope"), {}), /context: .*nope: no such directory/);
  await assert.rejects(scanned(join(place.root, "a"), {}), /context: .*a: not a directory/);
});

test("an ordinary user's unreadable file is named when its content is needed", {
  skip: process.getuid?.() !== 0,
}, async () => {
  using place = workspace({ secret: "x", "locked/x": "x" });
  chmodSync(dirname(place.root), 0o755);
  chmodSync(join(place.root, "secret"), 0o000);
  chmodSync(join(place.root, "locked"), 0o000);
  const asNobody = (exclude: string[]) => {
    const code = `import { localSource } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
      process.setgid(65534); process.setuid(65534);
      try {
        const tree = await localSource({ name: "context", directory: ${JSON.stringify(place.root)}, exclude: ${JSON.stringify(exclude)} });
        await tree.hash(tree.table.paths.keys());
        console.log("fine");
      } catch (error) { console.log(error.message); }`;
    return execFileSync(process.execPath, ["--input-type=module-typescript", "-e", code], {
      encoding: "utf8",
    });
  };
  assert.match(asNobody([]), /cannot read directory .*locked: permission denied/);
  assert.match(asNobody(["locked"]), /cannot read file .*secret: permission denied/);
  assert.equal(asNobody(["locked", "secret"]), "fine\n");
});

test("a large tree is scanned and hashed by workers, with the same result", async () => {
  const files = Object.fromEntries(Array.from({ length: 2600 }, (_, i) => [`d${i % 7}/${i}`, `text ${i}`]));
  using place = workspace(files);
  const tree = await localSource({
    name: "context",
    directory: place.root,
    memoDirectory: place.memoDirectory,
  });
  assert.equal(tree.entryCount, 2600 + 7 + 1);
  await tree.hash(tree.table.paths.keys());
  for (const [path, text] of Object.entries(files).slice(0, 20))
    assert.equal(Buffer.from(tree.view.fileDigest(path)).toString("hex"), sha256(text));
});

test("digests are remembered once a file has settled", async () => {
  using place = workspace({ old: "old", young: "young" });
  const memo = () => {
    const [name] = readdirSync(place.memoDirectory);
    return readFileSync(join(place.memoDirectory, name!)).length;
  };
  await digestOfFile(place, "old");
  assert.throws(memo, "a file of this moment is not remembered");
  await setTimeout(2100);
  writeFileSync(join(place.root, "young"), "YOUNG");
  assert.equal(await digestOfFile(place, "old"), sha256("old"));
  const size = memo();
  assert.equal(await digestOfFile(place, "young"), sha256("YOUNG"));
  assert.equal(memo(), size, "written less than two seconds ago");

  // Same size, times put back: the change time gives it away.
  utimesSync(join(place.root, "old"), 1, 1);
  writeFileSync(join(place.root, "old"), "new");
  utimesSync(join(place.root, "old"), 1, 1);
  assert.equal(await digestOfFile(place, "old"), sha256("new"));
  // Same size at once after a hash.
  writeFileSync(join(place.root, "young"), "young");
  assert.equal(await digestOfFile(place, "young"), sha256("young"));
});

test("a remembered digest is used, a damaged memo is not", async () => {
  using place = workspace({ file: "text" });
  utimesSync(join(place.root, "file"), 5, 5);
  await setTimeout(2100);
  await digestOfFile(place, "file");
  const name = join(place.memoDirectory, readdirSync(place.memoDirectory)[0]!);
  const bytes = readFileSync(name);
  // Unreadable content shows that it is not read again: a pipe would block, so the digest itself is changed.
  const { crc32 } = await import("node:zlib");
  const start = bytes.length - 72;
  bytes.fill(0xab, start + 40, start + 72);
  bytes.writeUInt32LE(crc32(bytes.subarray(start)), start - 8);
  writeFileSync(name, bytes);
  assert.equal(await digestOfFile(place, "file"), "ab".repeat(32));
  bytes[start + 50] = 0;
  writeFileSync(name, bytes);
  assert.equal(await digestOfFile(place, "file"), sha256("text"));
});
