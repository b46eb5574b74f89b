import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, linkSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { MkdirAction, MkfileAction } from "../llb/index.ts";
import type { Op } from "../solver/index.ts";
import { fileOp } from "./file.ts";
import { runFileOp } from "./file-run.ts";
import type { Ref } from "./ref.ts";
import { chain, copyAction, type Fixture, listing, openFixture, readText } from "./testing/file-fixture.ts";

const mkdirAction = (path: string, changes: Partial<MkdirAction> = {}): MkdirAction => ({
  kind: "mkdir",
  path,
  mode: 0o755,
  makeParents: true,
  timestamp: -1n,
  ...changes,
});
const mkfileAction = (path: string, text: string, changes: Partial<MkfileAction> = {}): MkfileAction => ({
  kind: "mkfile",
  path,
  mode: 0o644,
  data: Buffer.from(text),
  timestamp: -1n,
  ...changes,
});

const nothing: Ref = { kind: "snapshot", snapshot: { layers: [] } };

/** A base image made by COPY of a tree to /. */
async function baseOf(fixture: Fixture, name: string, files: Parameters<Fixture["tree"]>[1]): Promise<Ref> {
  return fixture.run(chain(1, copyAction("/", "/")), await fixture.scan(fixture.tree(name, files)));
}

/** Listing of what the topmost layer has. */
async function topOf(fixture: Fixture, ref: Ref): Promise<string[]> {
  assert.equal(ref.kind, "snapshot");
  const layers = ref.kind === "snapshot" ? ref.snapshot.layers.slice(-1) : [];
  return listing(await fixture.rootfs({ kind: "snapshot", snapshot: { layers } }));
}

test("COPY . of a context into a new directory", async () => {
  using fixture = openFixture();
  const root = fixture.tree("ctx", {
    "a.txt": "A",
    "src/main.go": "package main",
    "src/deep/x": "x",
    empty: null,
  });
  chmodSync(join(root, "src/main.go"), 0o4755);
  chmodSync(join(root, "src"), 0o700);
  utimesSync(join(root, "a.txt"), 1000.9, 1000.9);
  const made = await fixture.run(chain(1, copyAction("/", "/app/")), await fixture.scan(root));
  assert.deepEqual(await topOf(fixture, made), [
    "directory 755 0:0 app",
    "file 644 0:0 app/a.txt",
    "directory 755 0:0 app/empty",
    "directory 700 0:0 app/src",
    "directory 755 0:0 app/src/deep",
    "file 644 0:0 app/src/deep/x",
    "file 4755 0:0 app/src/main.go",
  ]);
  const rootfs = await fixture.rootfs(made);
  assert.equal(rootfs.lookup("app/a.txt")?.mtime, 1000);
  assert.equal(readText(rootfs, "app/src/main.go"), "package main");
  assert.match((await fixture.list(made))[0]!, /^drwxr-xr-x 0\/0 +0 1980-01-02 00:00:00 app\/$/);
});

test("a file: onto a name, into a directory, into one that exists", async () => {
  using fixture = openFixture();
  const context = await fixture.scan(fixture.tree("ctx", { "a.txt": "A" }));
  const base = await baseOf(fixture, "base", { "etc/x": "x" });
  const at = async (dest: string) =>
    topOf(fixture, await fixture.run(chain(2, copyAction("a.txt", dest)), base, context));
  assert.deepEqual(await at("/new"), ["file 644 0:0 new"]);
  assert.deepEqual(await at("/new/"), ["directory 755 0:0 new", "file 644 0:0 new/a.txt"]);
  assert.deepEqual(await at("/new/."), ["directory 755 0:0 new", "file 644 0:0 new/a.txt"]);
  assert.deepEqual(await at("/etc"), ["directory 755 0:0 etc", "file 644 0:0 etc/a.txt"]);
  assert.deepEqual(await at("/p/q/r"), [
    "directory 755 0:0 p",
    "directory 755 0:0 p/q",
    "file 644 0:0 p/q/r",
  ]);
});

test("an existing directory takes over the source's time, deeper ones its metadata", async () => {
  using fixture = openFixture();
  const base = await baseOf(fixture, "base", { "app/sub/old": "old", "app/keep": "k" });
  const root = fixture.tree("ctx", { "sub/new": "new" });
  chmodSync(join(root, "sub"), 0o711);
  const made = await fixture.run(chain(2, copyAction("/", "/app")), base, await fixture.scan(root));
  assert.deepEqual(
    (await fixture.list(made)).map((line) => line.split(" ").at(-1)),
    ["app/", "app/sub/", "app/sub/new"],
  );
  const rootfs = await fixture.rootfs(made);
  assert.equal(rootfs.lookup("app")?.mode, 0o755);
  assert.equal(rootfs.lookup("app/sub")?.mode, 0o711);
  assert.equal(readText(rootfs, "app/sub/old"), "old");
  assert.equal(readText(rootfs, "app/keep"), "k");
});

test("--chown by id and by name, --chmod octal and symbolic", async () => {
  using fixture = openFixture();
  const base = await baseOf(fixture, "base", {
    "etc/passwd": "root:x:0:0::/:/bin/sh\nweb:x:33:44::/:/bin/sh\n",
    "etc/group": "root:x:0:\n#no\nstaff:x:50:\n",
  });
  const context = await fixture.scan(fixture.tree("ctx", { "d/run": "x" }));
  const name = (name: string) => ({ kind: "name", name, input: 0 }) as const;
  const copied = async (changes: Parameters<typeof copyAction>[2]) =>
    topOf(fixture, await fixture.run(chain(2, copyAction("d", "/o", changes)), base, context));
  assert.deepEqual(await copied({ owner: { user: name("web") } }), [
    "directory 755 33:44 o",
    "file 644 33:44 o/run",
  ]);
  assert.deepEqual(await copied({ owner: { user: name("web"), group: name("staff") } }), [
    "directory 755 33:50 o",
    "file 644 33:50 o/run",
  ]);
  assert.deepEqual(await copied({ owner: { user: { kind: "id", id: 7 } } }), [
    "directory 755 7:7 o",
    "file 644 7:7 o/run",
  ]);
  assert.deepEqual(await copied({ mode: 0o600 }), ["directory 600 0:0 o", "file 600 0:0 o/run"]);
  assert.deepEqual(await copied({ modeStr: "u=rwX,go=rX,a+x" }), [
    "directory 755 0:0 o",
    "file 755 0:0 o/run",
  ]);
  assert.deepEqual(fixture.warnings, []);
  assert.deepEqual(await copied({ owner: { user: name("nobody") } }), [
    "directory 755 0:0 o",
    "file 644 0:0 o/run",
  ]);
  assert.match(fixture.warnings[0]!, /nobody is not in \/etc\/passwd/);
});

test("a name cannot be looked up in nothing", async () => {
  using fixture = openFixture();
  const context = await fixture.scan(fixture.tree("ctx", { a: "" }));
  const owner = { user: { kind: "name", name: "app", input: -1 } } as const;
  await assert.rejects(
    fixture.run(chain(1, copyAction("a", "/a", { owner })), context),
    /invalid user index: -1/,
  );
});

test("symlinks of the source: copied as links inside a tree, followed as a source, never out of the root", async () => {
  using fixture = openFixture();
  const context = await fixture.scan(
    fixture.tree("ctx", {
      secret: { link: "/etc/passwd" },
      "etc/passwd": "of the context",
      up: { link: "../../../etc/passwd" },
      dir: { link: "real" },
      "real/file": "F",
      "real/abs": { link: "/etc/passwd" },
    }),
  );
  const all = await topOf(fixture, await fixture.run(chain(1, copyAction("/", "/x/")), context));
  assert.ok(all.includes("symlink 777 0:0 x/secret -> /etc/passwd"));
  assert.ok(all.includes("symlink 777 0:0 x/dir -> real"));
  const one = await fixture.run(
    chain(1, copyAction("secret", "/a"), copyAction("up", "/b"), copyAction("dir/file", "/c")),
    context,
  );
  const rootfs = await fixture.rootfs(one);
  assert.equal(readText(rootfs, "a"), "of the context");
  assert.equal(readText(rootfs, "b"), "of the context");
  assert.equal(readText(rootfs, "c"), "F");
  const kept = await fixture.run(chain(1, copyAction("secret", "/a", { followSymlink: false })), context);
  assert.deepEqual(await topOf(fixture, kept), ["symlink 777 0:0 a -> /etc/passwd"]);
});

test("symlinks of the destination are resolved inside the root", async () => {
  using fixture = openFixture();
  const base = await baseOf(fixture, "base", {
    "usr/bin/x": "x",
    bin: { link: "usr/bin" },
    out: { link: "../../outside" },
  });
  const context = await fixture.scan(fixture.tree("ctx", { tool: "T" }));
  const made = await fixture.run(
    chain(2, copyAction("tool", "/bin/"), copyAction("tool", "/out/")),
    base,
    context,
  );
  const rootfs = await fixture.rootfs(made);
  assert.equal(readText(rootfs, "usr/bin/tool"), "T");
  assert.equal(readText(rootfs, "outside/tool"), "T");
  assert.equal(rootfs.lookup("bin")?.type, "symlink");
});

test("a link with the name of the file is replaced, not followed", async () => {
  using fixture = openFixture();
  const base = await baseOf(fixture, "base", { "d/a": { link: "b" }, "d/b": "old" });
  const context = await fixture.scan(fixture.tree("ctx", { a: "new" }));
  const rootfs = await fixture.rootfs(await fixture.run(chain(2, copyAction("a", "/d/")), base, context));
  assert.equal(rootfs.lookup("d/a")?.type, "file");
  assert.equal(readText(rootfs, "d/b"), "old");
});

test("files and directories in each other's place", async () => {
  using fixture = openFixture();
  const base = await baseOf(fixture, "base", { "d/name/child": "x", "d/file": "f" });
  const context = await fixture.scan(fixture.tree("ctx", { name: "now a file", "t/file/inner": "i" }));
  const copies = (action: ReturnType<typeof copyAction>) => fixture.run(chain(2, action), base, context);
  await assert.rejects(copies(copyAction("name", "/d/")), /cannot replace to directory \/d\/name with file/);
  await assert.rejects(copies(copyAction("t", "/d/")), /cannot copy to non-directory: \/d\/file/);
  await assert.rejects(copies(copyAction("name", "/d/file/")), /mkdir \/d\/file: not a directory/);
  const replace = { alwaysReplaceExistingDestPaths: true };
  const replaced = await fixture.rootfs(await copies(copyAction("name", "/d/", replace)));
  assert.equal(readText(replaced, "d/name"), "now a file");
  assert.equal(replaced.lookup("d/name/child"), undefined);
  const opened = await fixture.rootfs(await copies(copyAction("t", "/d/", replace)));
  assert.equal(readText(opened, "d/file/inner"), "i");
});

test("wildcards", async () => {
  using fixture = openFixture();
  const context = await fixture.scan(
    fixture.tree("ctx", {
      "a1.c": "1",
      "a2.c": "2",
      "b.h": "h",
      "lib/x.c": "x",
      "lib/y.c": "y",
      "lib2/x.c": "z",
    }),
  );
  const names = async (src: string) =>
    (await topOf(fixture, await fixture.run(chain(1, copyAction(src, "/o/")), context))).map(
      (line) => line.split(" ")[3],
    );
  assert.deepEqual(await names("*.c"), ["o", "o/a1.c", "o/a2.c"]);
  assert.deepEqual(await names("a[2-9].?"), ["o", "o/a2.c"]);
  assert.deepEqual(await names("lib*/x.c"), ["o", "o/x.c"]);
  // Contents of each matched directory.
  assert.deepEqual(await names("lib*"), ["o", "o/x.c", "o/y.c"]);
  assert.deepEqual(await names("*.none"), []);
  const strict = chain(1, copyAction("*.none", "/o/", { allowEmptyWildcard: false }));
  await assert.rejects(fixture.run(strict, context), /\/\*\.none not found/);
});

test("include and exclude patterns", async () => {
  using fixture = openFixture();
  const root = fixture.tree("ctx", { "a/b/c.txt": "c", "a/b/d.md": "d", "a/e/f.txt": "f", "g.txt": "g" });
  chmodSync(join(root, "a/b"), 0o750);
  const context = await fixture.scan(root);
  const names = async (changes: Parameters<typeof copyAction>[2]) =>
    (await topOf(fixture, await fixture.run(chain(1, copyAction("/", "/o/", changes)), context))).slice(1);
  assert.deepEqual(await names({ includePatterns: ["a/*/c.txt"] }), [
    "directory 755 0:0 o/a",
    "directory 750 0:0 o/a/b",
    "file 644 0:0 o/a/b/c.txt",
  ]);
  assert.deepEqual(await names({ excludePatterns: ["**/*.txt", "!a/e"] }), [
    "directory 755 0:0 o/a",
    "directory 750 0:0 o/a/b",
    "file 644 0:0 o/a/b/d.md",
    "directory 755 0:0 o/a/e",
  ]);
  assert.deepEqual(await names({ excludePatterns: ["a"] }), ["file 644 0:0 o/g.txt"]);
});

test("hard links inside one copy stay links, across copies they do not", async () => {
  using fixture = openFixture();
  const root = fixture.tree("ctx", { "d/one": "same", other: "o" });
  linkSync(join(root, "d/one"), join(root, "d/two"));
  const context = await fixture.scan(root);
  const made = await fixture.run(chain(1, copyAction("d", "/x/"), copyAction("d/two", "/y")), context);
  assert.deepEqual(await topOf(fixture, made), [
    "directory 755 0:0 x",
    "file 644 0:0 x/one",
    "hardlink 644 0:0 x/two -> x/one",
    "file 644 0:0 y",
  ]);
  const again = await fixture.run(chain(1, copyAction("x", "/z/")), made);
  assert.deepEqual((await topOf(fixture, again)).slice(1), [
    "file 644 0:0 z/one",
    "hardlink 644 0:0 z/two -> z/one",
  ]);
});

test("mkdir, mkfile, symlink and rm", async () => {
  using fixture = openFixture();
  const base = await baseOf(fixture, "base", {
    "old/x": "x",
    "old/y.o": "y",
    "old/z.o": "z",
    "gone/deep": "d",
  });
  const owner = { user: { kind: "id", id: 5 }, group: { kind: "id", id: 6 } } as const;
  const made = await fixture.run(
    {
      kind: "file",
      actions: [
        mkdirAction("/w/x", { owner }),
        mkfileAction("/w/f", "text", { mode: 0o600, timestamp: 5_999_999_999n }),
        mkfileAction("/old/x", "changed"),
        { kind: "symlink", oldpath: "/w/f", newpath: "/l", timestamp: -1n } as const,
        { kind: "rm", path: "/old/*.o", allowNotFound: false, allowWildcard: true } as const,
        { kind: "rm", path: "/gone", allowNotFound: false, allowWildcard: false } as const,
        { kind: "rm", path: "/never", allowNotFound: true, allowWildcard: false } as const,
      ].map((action, i) => ({ input: i, secondaryInput: -1, output: i === 6 ? 0 : -1, action })),
    },
    base,
  );
  const rootfs = await fixture.rootfs(made);
  assert.deepEqual(listing(rootfs), [
    "symlink 777 0:0 l -> /w/f",
    "directory 755 0:0 old",
    "file 644 0:0 old/x",
    "directory 755 5:6 w",
    "file 600 0:0 w/f",
    "directory 755 5:6 w/x",
  ]);
  assert.equal(rootfs.lookup("w/f")?.mtime, 5);
  assert.equal(readText(rootfs, "old/x"), "changed");
  const whiteouts = (await fixture.list(made)).filter((line) => line.includes(".wh."));
  assert.deepEqual(
    whiteouts.map((line) => line.split(" ").at(-1)),
    [".wh.gone", "old/.wh.y.o", "old/.wh.z.o"],
  );
  const missing = chain(0, { kind: "rm", path: "/never", allowNotFound: false, allowWildcard: false });
  await assert.rejects(fixture.run(missing), /stat \/never: no such file or directory/);
});

test("a removed directory that is made again hides what was in it", async () => {
  using fixture = openFixture();
  const base = await baseOf(fixture, "base", { "d/old": "old" });
  const remove = { kind: "rm", path: "/d", allowNotFound: false, allowWildcard: false } as const;
  const op = { kind: "file", actions: [remove, mkdirAction("/d")] } as const;
  const made = await fixture.run(
    {
      kind: "file",
      actions: op.actions.map((action, i) => ({ input: i, secondaryInput: -1, output: i - 1, action })),
    },
    base,
  );
  assert.deepEqual(listing(await fixture.rootfs(made)), ["directory 755 0:0 d"]);
});

test("nothing to do makes an empty layer, as BuildKit counts", async () => {
  using fixture = openFixture();
  const base = await baseOf(fixture, "base", { "app/x": "x" });
  const op = {
    kind: "file",
    actions: [{ input: 0, secondaryInput: -1, output: 0, action: mkdirAction("/app") }],
  } as const;
  const made = await fixture.run(op, base);
  assert.equal(made.kind === "snapshot" && made.snapshot.layers.length, 2);
  assert.deepEqual(await fixture.list(made), []);
});

test("here-document: mkfile on nothing, copied by the next op", async () => {
  using fixture = openFixture();
  const script = await fixture.run(chain(0, mkfileAction("/run.sh", "echo")));
  const made = await fixture.run(chain(2, copyAction("/run.sh", "/bin/", { mode: 0o755 })), nothing, script);
  assert.deepEqual(await topOf(fixture, made), ["directory 755 0:0 bin", "file 755 0:0 bin/run.sh"]);
});

test("names that are not UTF-8 survive", async () => {
  using fixture = openFixture();
  const root = fixture.tree("ctx", {});
  writeFileSync(Buffer.concat([Buffer.from(`${root}/caf`), Buffer.from([0xe9])]), "latin1");
  writeFileSync(`${root}/naïve`, "utf8");
  const made = await fixture.run(chain(1, copyAction("/", "/x/")), await fixture.scan(root));
  const rootfs = await fixture.rootfs(made);
  assert.equal(readText(rootfs, "x/caf\xe9"), "latin1");
  assert.equal(readText(rootfs, `x/${Buffer.from("naïve").toString("latin1")}`), "utf8");
  const wild = await fixture.run(chain(1, copyAction("na?ve", "/y/")), await fixture.scan(root));
  assert.equal((await topOf(fixture, wild)).length, 2);
});

test("ADD unpacks archives and copies what is none", async () => {
  using fixture = openFixture();
  const source = fixture.tree("src", { "pkg/a": "A", "pkg/l": { link: "a" } });
  chmodSync(join(source, "pkg/a"), 0o751);
  linkSync(join(source, "pkg/a"), join(source, "pkg/same"));
  const root = fixture.tree("ctx", { "plain.gz": "no archive" });
  for (const [flag, name] of [
    ["", "t.tar"],
    ["-z", "t.tgz"],
    ["-j", "t.tbz"],
    ["-J", "t.txz"],
    ["--zstd", "t.tzst"],
  ])
    try {
      execFileSync(
        "tar",
        [...(flag ? [flag] : []), "--owner=3", "--group=4", "-cf", join(root, name!), "-C", source, "pkg"],
        { stdio: "ignore" },
      );
    } catch {
      // Without the program there is nothing to unpack either.
    }
  writeFileSync(join(root, "text.gz"), execFileSync("gzip", ["-c"], { input: "just text" }));
  const context = await fixture.scan(root);
  const add = (src: string, changes = {}) =>
    fixture.run(chain(1, copyAction(src, "/o/", { attemptUnpack: true, ...changes })), context);
  const unpacked = [
    "directory 755 0:0 o",
    "directory 755 3:4 o/pkg",
    "file 751 3:4 o/pkg/a",
    "symlink 777 3:4 o/pkg/l -> a",
    "hardlink 751 3:4 o/pkg/same -> o/pkg/a",
  ];
  for (const name of ["t.tar", "t.tgz", "t.tbz", "t.txz", "t.tzst"]) {
    if (context.kind === "tree" && !context.tree.view.lookup(name)?.size) continue;
    const made = await add(name);
    assert.deepEqual(await topOf(fixture, made), unpacked, name);
    assert.equal(readText(await fixture.rootfs(made), "o/pkg/a"), "A");
  }
  const owned = await add("t.tar", { owner: { user: { kind: "id", id: 9 } } });
  assert.ok((await topOf(fixture, owned)).includes("file 751 9:9 o/pkg/a"));
  assert.deepEqual((await topOf(fixture, await add("*.gz"))).slice(1), [
    "file 644 0:0 o/plain.gz",
    "file 644 0:0 o/text.gz",
  ]);
  const unpackedNever = await add("t.tar", { attemptUnpack: false });
  assert.deepEqual((await topOf(fixture, unpackedNever)).slice(1), ["file 644 0:0 o/t.tar"]);
});

test("ADD of a hostile archive is refused, a damaged one named", async () => {
  using fixture = openFixture();
  const root = fixture.tree("ctx", { inner: "x", "d/f": "f" });
  execFileSync("tar", [
    "-cf",
    join(root, "climb.tar"),
    "--transform=s,^inner,../../escape,",
    "-P",
    "-C",
    root,
    "inner",
  ]);
  execFileSync("tar", ["-czf", join(root, "cut.tgz"), "-C", root, "climb.tar", "d", "inner"]);
  const whole = execFileSync("cat", [join(root, "cut.tgz")]);
  writeFileSync(join(root, "cut.tgz"), whole.subarray(0, whole.length - 30));
  const context = await fixture.scan(root);
  const add = (src: string) =>
    fixture.run(chain(1, copyAction(src, "/o/", { attemptUnpack: true })), context);
  await assert.rejects(add("climb.tar"), /climbs out/);
  await assert.rejects(add("cut.tgz"), /cut\.tgz: the archive is damaged/);
});

test("an archive's symlinked parents stay inside the destination", async () => {
  using fixture = openFixture();
  const source = fixture.tree("src", { way: { link: "/etc" }, "two/x": "x" });
  const root = fixture.tree("ctx", {});
  execFileSync("tar", ["-cf", join(root, "t.tar"), "-C", source, "way"]);
  execFileSync("tar", ["-rf", join(root, "t.tar"), "--transform=s,^two,way,", "-C", source, "two/x"]);
  const context = await fixture.scan(root);
  const made = await fixture.run(chain(1, copyAction("t.tar", "/o/", { attemptUnpack: true })), context);
  assert.deepEqual(await topOf(fixture, made), [
    "directory 755 0:0 o",
    "directory 755 0:0 o/etc",
    "file 644 0:0 o/etc/x",
    "symlink 777 0:0 o/way -> /etc",
  ]);
});

test("a file named like a whiteout is refused", async () => {
  using fixture = openFixture();
  const context = await fixture.scan(fixture.tree("ctx", { ".wh.x": "" }));
  await assert.rejects(
    fixture.run(chain(1, copyAction("/", "/")), context),
    /\.wh\.x: image layers cannot hold/,
  );
});

test("the same input gives the same layer", async () => {
  using fixture = openFixture();
  const context = await fixture.scan(fixture.tree("ctx", { a: "1", "b/c": "2" }));
  const op = chain(1, mkdirAction("/w"), copyAction("/", "/w/"));
  const first = await fixture.list(await fixture.run(op, context));
  assert.deepEqual(await fixture.list(await fixture.run(op, context)), first);
});

test("a large copy is made by a worker, with the same result", async () => {
  using fixture = openFixture();
  const files = Object.fromEntries(Array.from({ length: 2300 }, (_, i) => [`d${i % 9}/f${i}`, `text ${i}`]));
  const context = await fixture.scan(fixture.tree("ctx", files));
  const op = chain(1, copyAction("/", "/app/"));
  const large = await fixture.run(op, context);
  const file = join(fixture.directory, "here");
  const tree = context.kind === "tree" ? context.tree : assert.fail();
  const here = await runFileOp({
    actions: op.actions,
    inputs: [{ kind: "local", ...tree, name: "context" }],
    files: [file],
  });
  const ids = large.kind === "snapshot" ? large.snapshot.layers : [];
  assert.equal(fixture.dependencies.layers.record(ids[0]!)?.diffId, here.outputs[0]!.packed.diffId);
  assert.equal(here.outputs[0]!.packed.entryCount, 2300 + 9 + 1);
  assert.equal(readText(await fixture.rootfs(large), "app/d1/f10"), "text 10");
});

/** Too many files for the main thread. */
const manyFiles = Object.fromEntries(Array.from({ length: 2300 }, (_, i) => [`f${i}`, `text ${i}`]));

function leftOver(fixture: Fixture): string[] {
  const ingest = join(fixture.directory, "store", "ingest");
  return existsSync(ingest) ? readdirSync(ingest) : [];
}

test("an aborted copy leaves no temporary file", async () => {
  using fixture = openFixture();
  const context = await fixture.scan(fixture.tree("ctx", manyFiles));
  const copying = () => fileOp(chain(1, copyAction("/", "/app/")), fixture.dependencies);
  for (const start of ["contentKey", "exec"] as const) {
    const abort = new AbortController();
    const job = { ...fixture.context, signal: abort.signal };
    const op = copying();
    const work = start === "exec" ? op.exec([context], job) : op.contentKey!([context], [undefined], job);
    setTimeout(() => abort.abort(), 60);
    await assert.rejects(work, { code: "canceled" });
    assert.deepEqual(leftOver(fixture), [], start);
  }
});

test("a layer that was packed ahead of its key is not left behind when nobody wants it", async () => {
  using fixture = openFixture();
  const abort = new AbortController();
  const endings = {
    abandoned: (op: Op<Ref>) => op.abandon!(),
    aborted: () => abort.abort(),
    used: (op: Op<Ref>, context: Ref) => op.exec([context], fixture.context),
  };
  const keys = new Set<string | undefined>();
  for (const [name, end] of Object.entries(endings)) {
    const context = await fixture.scan(fixture.tree(name, manyFiles));
    const op = fileOp(chain(1, copyAction("/", "/app/")), fixture.dependencies);
    const job = name === "aborted" ? { ...fixture.context, signal: abort.signal } : fixture.context;
    keys.add((await op.contentKey!([context], [undefined], job))?.key);
    assert.equal(leftOver(fixture).length, 2, "a tar and an index");
    await end(op, context);
    assert.deepEqual(leftOver(fixture), [], name);
  }
  const hashed = await fixture.scan(fixture.tree("hashed", manyFiles));
  if (hashed.kind === "tree") await hashed.tree.hash(hashed.tree.table.paths.keys());
  const op = fileOp(chain(1, copyAction("/", "/app/")), fixture.dependencies);
  keys.add((await op.contentKey!([hashed], [undefined], fixture.context))?.key);
  assert.equal(keys.size, 1, "the same key, whoever hashed the files");
});

test("required paths", async () => {
  using fixture = openFixture();
  const context = await fixture.scan(fixture.tree("ctx", { "a/b/c": "c" }));
  const parents = (pattern: string) =>
    fixture.run(
      chain(1, copyAction("/", "/o/", { includePatterns: [pattern], requiredPaths: [`/${pattern}`] })),
      context,
    );
  assert.deepEqual((await topOf(fixture, await parents("a/b/c"))).at(-1), "file 644 0:0 o/a/b/c");
  await assert.rejects(parents("a/b/d"), {
    message: 'failed to calculate checksum of ref context: "/a/b/d": not found',
    hint: "did you mean a/b/c?",
  });
});
