import assert from "node:assert/strict";
import { test } from "node:test";
import { csvFields } from "./csv.ts";

test("fields, empty ones and quoted ones", () => {
  for (const [text, fields] of [
    ["", [""]],
    ["a=b", ["a=b"]],
    ["a,,b,", ["a", "", "b", ""]],
    ['"a,b",c', ["a,b", "c"]],
    ['x,"a ""b""",', ["x", 'a "b"', ""]],
  ] as const)
    assert.deepEqual(csvFields(text), fields, text);
});

test("quotes that are not closed, or stand in the middle", () => {
  for (const text of ['"a', '"', '"a"b', 'a,"b"" '])
    assert.throws(() => csvFields(text), /column \d+: extraneous or missing " in quoted-field/, text);
  assert.throws(() => csvFields('é,a"b"'), /parse error on line 1, column 5: bare " in non-quoted-field/);
});
