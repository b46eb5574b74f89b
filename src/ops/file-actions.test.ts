import assert from "node:assert/strict";
import { test } from "node:test";
import {
  baseOf,
  chain,
  copyAction,
  listing,
  mkdirAction,
  mkfileAction,
  nothing,
  openFixture,
  readText,
  topOf,
} from "./testing/file-fixture.ts";

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

test("a file named like a whiteout is refused", async () => {
  using fixture = openFixture();
  const context = await fixture.scan(fixture.tree("ctx", { ".wh.x": "" }));
  await assert.rejects(
    fixture.run(chain(1, copyAction("/", "/")), context),
    /\.wh\.x: image layers cannot hold/,
  );
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
