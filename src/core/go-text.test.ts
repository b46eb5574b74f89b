import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, json, normaliseTime, parseBool, quote, quoteInteger, quoteList, time } from "./go-text.ts";

test("%q", () => {
  assert.equal(
    quote('a "b" \\ \n\t\x00\x7f é 😀 \u200b \u{e0001}'),
    String.raw`"a \"b\" \\ \n\t\x00\x7f é 😀 \u200b \U000e0001"`,
  );
  assert.equal(quote("\u00a0"), String.raw`"\u00a0"`);
  assert.equal(quoteList(["/bin/sh", "-c", "it's"]), `["/bin/sh" "-c" "it's"]`);
  assert.equal(quoteInteger(3), String.raw`'\x03'`);
  assert.equal(quoteInteger(10), String.raw`'\n'`);
  assert.equal(quoteInteger(39), String.raw`'\''`);
  assert.equal(quoteInteger(65), "'A'");
  assert.equal(quoteInteger(-1), "'\ufffd'");
});

test("durations", () => {
  for (const [nanoseconds, text] of [
    [0, "0s"],
    [1, "1ns"],
    [1500, "1.5µs"],
    [2_000_000, "2ms"],
    [30e9, "30s"],
    [90e9, "1m30s"],
    [3600e9, "1h0m0s"],
    [3_661_500_000_000, "1h1m1.5s"],
    [300e9, "5m0s"],
    [1_000_000_001, "1.000000001s"],
  ] as const)
    assert.equal(duration(nanoseconds), text);
});

test("times have no zeros that Go would not write", () => {
  assert.equal(time(1_700_000_000_000), "2023-11-14T22:13:20Z");
  assert.equal(time(1_700_000_000_120), "2023-11-14T22:13:20.12Z");
  assert.equal(normaliseTime("2024-01-01T00:00:00.123456789+02:00"), "2024-01-01T00:00:00.123456789+02:00");
  assert.equal(normaliseTime("2024-01-01T00:00:00.500+02:00"), "2024-01-01T00:00:00.5+02:00");
});

test("JSON is safe inside HTML", () => {
  assert.equal(json(["a<b", "&\u2028"]), '["a\\u003cb","\\u0026\\u2028"]');
});

test("booleans", () => {
  assert.deepEqual(["1", "t", "True", "TRUE"].map(parseBool), [true, true, true, true]);
  assert.deepEqual(["0", "f", "False", "FALSE"].map(parseBool), [false, false, false, false]);
  assert.deepEqual(["", "yes", "tRUE", "2", " 1"].map(parseBool), Array(5).fill(undefined));
});
