import assert from "node:assert/strict";
import { test } from "node:test";
import { defined } from "./defined.ts";

test("only members that are undefined are left out, and the order stays", () => {
  const found = defined({ b: 0, a: undefined, empty: "", no: false, nothing: null });
  assert.deepEqual(Object.entries(found), [
    ["b", 0],
    ["empty", ""],
    ["no", false],
    ["nothing", null],
  ]);
});
