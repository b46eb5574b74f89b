import assert from "node:assert/strict";
import { chmodSync, linkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { baseOf, chain, copyAction, openFixture, readText, topOf } from "./testing/file-fixture.ts";

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
