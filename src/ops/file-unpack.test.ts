import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { chain, copyAction, openFixture, readText, topOf } from "./testing/file-fixture.ts";

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
  const layer = await fixture.run(chain(1, copyAction("/t.tgz", "/")), context);
  const fromLayer = await fixture.run(chain(1, copyAction("/t.tgz", "/o/", { attemptUnpack: true })), layer);
  assert.deepEqual(await topOf(fixture, fromLayer), unpacked, "an archive that lies in a layer");
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
