import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeDirectories } from "./make-directories.ts";

const directory = mkdtempSync(join(tmpdir(), "stagewright-directories-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const at = (path: string) => join(directory, path);

test("directories are made where they are missing, and kept where they are there", () => {
  makeDirectories(at("a/b/c"), 0o700);
  assert.equal(statSync(at("a/b")).mode & 0o777, 0o700);
  makeDirectories(at("a/b/c"));
  assert.equal(statSync(at("a/b/c")).mode & 0o777, 0o700);
  symlinkSync("a", at("link"));
  makeDirectories(at("link/d"));
  assert.ok(statSync(at("a/d")).isDirectory());
});

test("what cannot be one ends at once", () => {
  writeFileSync(at("file"), "");
  assert.throws(() => makeDirectories(at("file")), { code: "EEXIST" });
  assert.throws(() => makeDirectories(at("file/below")), { code: "ENOTDIR" });
  symlinkSync("nowhere", at("dangling"));
  assert.throws(() => makeDirectories(at("dangling")), { code: "EEXIST" });
  assert.throws(() => makeDirectories(at("dangling/below")), { code: "EEXIST" });
  assert.throws(() => makeDirectories("/proc/nothing/here"), { code: "ENOENT" });
  assert.throws(() => makeDirectories("/proc/self/nothing/at/all"), { code: "ENOENT" });
});
