import assert from "node:assert/strict";
import { test } from "node:test";
import { bytePathOf } from "../core/index.ts";
import { hasWildcards, matchName } from "./index.ts";

const matches = (pattern: string, name: string): boolean => matchName(bytePathOf(pattern), bytePathOf(name));

test("names match as Go's filepath.Match has it", () => {
  for (const [pattern, name] of [
    ["*", ""],
    ["*.c", ".c"],
    ["a*b*c", "a-b-b-c"],
    ["*ab*", "aab"],
    ["*[a-c]?*c", "aaacabcc"],
    ["a**", "a"],
    ["?", "é"],
    ["[a-z]x", "qx"],
    ["[^a-z]x", "Qx"],
    ["[\\]]", "]"],
    ["[à-ü]", "é"],
    ["\\*", "*"],
    ["日*", "日本"],
  ])
    assert.ok(matches(pattern!, name!), `${pattern} ${name}`);
  for (const [pattern, name] of [
    ["a", "ab"],
    ["*.c", "x.h"],
    ["?", ""],
    ["[a-z]", "Q"],
    ["[^a]", "a"],
    ["\\*", "x"],
    ["[", "["],
    ["[]a]", "]"],
    ["a\\", "a"],
  ])
    assert.ok(!matches(pattern!, name!), `${pattern} ${name}`);
});

test("wildcards without number do not take time without end", () => {
  const name = "a".repeat(255);
  assert.ok(!matches(`${"[a-z]*".repeat(40)}9`, name));
  assert.ok(!matches(`${"*a".repeat(100)}b`, name));
  assert.ok(matches("*a".repeat(100), name));
});

test("a name that is not UTF-8 is matched byte by byte", () => {
  assert.ok(matchName("caf?", "caf\xe9"));
  assert.ok(!matchName("caf??", "caf\xe9"));
});

test("a quoted wildcard is none", () => {
  assert.ok(hasWildcards("a*"));
  assert.ok(!hasWildcards("a\\*"));
});
