import assert from "node:assert/strict";
import { test } from "node:test";
import { randomName } from "./random-name.ts";

test("names have two words, and a number when those that were tried are taken", () => {
  const tried = new Set<string>();
  const name = randomName((candidate) => !/\d$/.test(candidate) && tried.add(candidate) !== undefined);
  assert.match(name, /^[a-z]+_[a-z]+\d+$/);
  assert.ok(tried.size > 10);
  for (const candidate of tried) assert.match(candidate, /^[a-z]+_[a-z]+$/);
  assert.match(
    randomName(() => false),
    /^[a-z]+_[a-z]+$/,
  );
});
