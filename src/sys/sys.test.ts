import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { getXattr, listXattrs, setXattr, tryFlock } from "./index.ts";

const directory = mkdtempSync(join(tmpdir(), "stagewright-sys-"));
const file = join(directory, "file");
writeFileSync(file, "");
after(() => rmSync(directory, { recursive: true }));

test("what is not there is no error, a missing file is one, however often it is asked", () => {
  for (let round = 0; round < 2000; round++) {
    assert.equal(getXattr(file, "trusted.none"), undefined);
    assert.throws(() => getXattr(join(directory, "missing"), "trusted.none"), { code: "ENOENT" });
  }
});

test("attributes are set, listed and read", {
  skip: process.getuid?.() === 0 ? false : "trusted needs root",
}, () => {
  setXattr(file, "trusted.one", Buffer.from([0, 255]));
  assert.deepEqual(listXattrs(file), ["trusted.one"]);
  assert.deepEqual(getXattr(file, "trusted.one"), Buffer.from([0, 255]));
});

test("a lock that another open file has is refused, a bad descriptor is an error", () => {
  const [one, two] = [openSync(file, "r"), openSync(file, "r")];
  assert.ok(tryFlock(one, "exclusive"));
  assert.equal(tryFlock(two, "shared"), false);
  closeSync(one);
  assert.ok(tryFlock(two, "shared"));
  closeSync(two);
  assert.throws(() => tryFlock(two, "shared"), { code: "EBADF" });
});
