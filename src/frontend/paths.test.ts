import assert from "node:assert/strict";
import { test } from "node:test";
import { absolutePath, cleanKeepingSlash, cleanPath, joinPath } from "./paths.ts";

test("cleaning", () => {
  for (const [path, clean] of [
    ["", "."],
    ["a/", "a"],
    ["/", "/"],
    ["/../a//b/.", "/a/b"],
    ["../a", "../a"],
  ] as const)
    assert.equal(cleanPath(path), clean);
  assert.equal(joinPath(".", "/a/b"), "a/b");
  assert.equal(joinPath("/", "../x/"), "/x");
});

test("destinations keep the slash that makes them directories", () => {
  assert.equal(absolutePath("/w", "x/", true), "/w/x/");
  assert.equal(absolutePath("/w", "./", true), "/w/");
  assert.equal(absolutePath("/w", "x/.", true), "/w/x/.");
  assert.equal(absolutePath("/w", "x", false), "/w/x");
  assert.equal(absolutePath("/w", "/a//b/", false), "/a//b/");
  assert.equal(absolutePath("w", "", false), "/w");
  assert.equal(cleanKeepingSlash("/a//b/"), "/a/b/");
  assert.equal(cleanKeepingSlash("/"), "/");
  assert.equal(cleanKeepingSlash("/a/./."), "/a/.");
});
