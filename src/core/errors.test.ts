import assert from "node:assert/strict";
import { test } from "node:test";
import { foreignText, toBuildError } from "./errors.ts";

test("what a server says is one line without control characters, and ends", () => {
  assert.equal(foreignText("no\u001b[31m\r\n such\u0085thing\n"), "no [31m  such thing");
  assert.equal(foreignText("x".repeat(10_000)).length, 500);
});

test("what is nested too deep is said in words", () => {
  const down = (): unknown => [down()];
  let error: unknown;
  try {
    down();
  } catch (thrown) {
    error = thrown;
  }
  const { code, message } = toBuildError(error);
  assert.deepEqual([code, message], ["resource-exhausted", "directories or values are nested too deep"]);
});
