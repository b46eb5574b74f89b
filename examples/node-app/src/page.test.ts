import assert from "node:assert/strict";
import { test } from "node:test";
import { page } from "./page.js";

test("what is put into the page is escaped", () => {
  assert.match(page("<b>", ["one"]), /<title>&lt;b&gt;<\/title><ul><li>one<\/li><\/ul>/);
});
