import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { changesFrom, compareListing, listRootfs, withChanges } from "./listing.ts";
import { readTar, type TarInput, writeTar } from "./tar.ts";

const layer = (...entries: TarInput[]) => readTar(writeTar(entries));
const file = (path: string, content: string, more: Partial<TarInput> = {}): TarInput => ({
  path,
  type: "file",
  data: Buffer.from(content),
  ...more,
});
const directory = (path: string): TarInput => ({ path, type: "directory" });
const paths = (...layers: ReturnType<typeof layer>[]) => listRootfs(layers, 1).map(({ path }) => path);

test("GNU tar reads what is written, long and odd names and modes among it", () => {
  const archive = writeTar([
    file("a".repeat(150), "long"),
    file("caf\xe9 \n", "latin", { mode: 0o4751 }),
    { path: "to", type: "symlink", linkname: "a" },
  ]);
  const listing = execFileSync("tar", ["--quoting-style=escape", "-tv"], {
    input: archive,
    encoding: "utf8",
  });
  assert.match(listing, /^-rw-r--r-- 0\/0 +4 .* a{150}$/m);
  assert.match(listing, /^-rwsr-x--x 0\/0 +5 .* caf\\351 \\n$/m);
  assert.match(listing, /^l.* to -> a$/m);
});

test("what GNU tar writes is read, extended attributes and long names as well", () => {
  const input = writeTar([file("b".repeat(120), "x", { xattrs: { "user.a": Buffer.from([0, 10, 255]) } })]);
  const [entry] = readTar(input);
  assert.equal(entry?.path, "b".repeat(120));
  assert.deepEqual(entry?.xattrs["user.a"], Buffer.from([0, 10, 255]));
  const gnu = execFileSync("tar", [
    "--format=gnu",
    "-cf",
    "-",
    "--transform",
    `s,.*,${"c".repeat(130)},`,
    "/etc/hostname",
  ]);
  assert.equal(readTar(gnu)[0]?.path, "c".repeat(130));
});

test("an archive that is cut off is refused", () => {
  assert.throws(() => readTar(writeTar([file("a", "x".repeat(2000))]).subarray(0, 1024)), /truncated/);
});

test("a whiteout hides what is below, and nothing of its own layer", () => {
  const below = layer(directory("d"), file("d/a", "a"), file("d/b", "b"));
  assert.deepEqual(paths(below, layer(file("d/.wh.a", ""))), ["d", "d/b"]);
  assert.deepEqual(paths(below, layer(file("d/new", ""), file("d/.wh..wh..opq", ""))), ["d", "d/new"]);
  assert.deepEqual(paths(below, layer(file("d/a", "again"), file("d/.wh.a", ""))), ["d", "d/a", "d/b"]);
});

test("a file in place of a directory takes what was in it away, a directory over one does not", () => {
  const below = layer(directory("d"), file("d/a", "a"));
  assert.deepEqual(paths(below, layer(file("d", "file"))), ["d"]);
  assert.deepEqual(paths(below, layer(directory("d"))), ["d", "d/a"]);
});

test("hardlinks are named after the first path in byte order, and part when one is replaced", () => {
  const links = layer(file("b", "x"), { path: "a", type: "hardlink", linkname: "b" });
  assert.deepEqual(
    listRootfs([links], 1).map(({ path, linkOf }) => [path, linkOf]),
    [
      ["a", undefined],
      ["b", "a"],
    ],
  );
  const [, b] = listRootfs([links, layer(file("a", "y"))], 1);
  assert.equal(b?.linkOf, undefined);
  assert.equal(b?.size, 1);
});

test("differences name the properties; times count only where one is expected", () => {
  const [before] = listRootfs([layer(file("f", "x", { mtime: 5 }))], 10);
  const [after] = listRootfs([layer(file("f", "y", { mtime: 6, mode: 0o600 }))], 10);
  assert.deepEqual(compareListing([before!], [after!])[0]?.properties.toSorted(), [
    "mode",
    "mtime",
    "sha256",
  ]);
  const { mtime: _, ...unknownTime } = before!;
  assert.deepEqual(compareListing([unknownTime], [before!]), []);
  assert.deepEqual(compareListing([], [after!]), [{ path: "f", actual: after, properties: [] }]);
});

test("changes over a base give the listing back", () => {
  const base = listRootfs([layer(file("a", "1"), file("b", "2"))], 1);
  const other = listRootfs([layer(file("b", "3"), file("c", "4"))], 1);
  const changes = changesFrom(base, other);
  assert.deepEqual(changes.removed, ["a"]);
  assert.deepEqual(withChanges(base, changes), other);
});
