import assert from "node:assert/strict";
import { test } from "node:test";
import { foreignText } from "./errors.ts";

test("what a server says is one line without control characters, and ends", () => {
  assert.equal(foreignText("no\u001b[31m\r\n such\u0085thing\n"), "no [31m  such thing");
  assert.equal(foreignText("x".repeat(10_000)).length, 500);
});
