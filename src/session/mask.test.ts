import assert from "node:assert/strict";
import { test } from "node:test";
import { createMask } from "./mask.ts";

function masked(secrets: readonly string[], pieces: readonly string[]): string {
  const mask = createMask();
  for (const secret of secrets) mask.add(Buffer.from(secret));
  let output = "";
  const stream = mask.stream((data) => {
    output += Buffer.from(data).toString();
  });
  for (const piece of pieces) stream.write(Buffer.from(piece));
  stream.flush();
  return output;
}

test("a secret is hidden wherever it stands", () => {
  assert.equal(masked(["hunter2"], ["hunter2"]), "****");
  assert.equal(masked(["hunter2"], ["a hunter2 b hunter2hunter2\n"]), "a **** b ********\n");
  assert.equal(masked(["hunter2", "swordfish"], ["swordfish hunter2"]), "**** ****");
  assert.equal(masked([], ["as it is"]), "as it is");
});

test("however it is cut", () => {
  const text = "start hunhunter2 end hunter";
  for (let at = 0; at <= text.length; at++)
    for (let next = at; next <= text.length; next++) {
      const pieces = [text.slice(0, at), text.slice(at, next), text.slice(next)];
      assert.equal(masked(["hunter2"], pieces), "start hun**** end hunter", pieces.join("|"));
    }
  assert.equal(masked(["aaab"], [..."aaaaabaaa"]), "aa****aaa");
  assert.equal(masked(["abcd", "cdefgh"], [..."abcdefgh cdefgh abcde"]), "****efgh **** ****e");
});

test("the longer of two that begin alike", () => {
  assert.equal(masked(["token", "token-long"], ["token-long token token-lo"]), "**** **** ****-lo");
  assert.equal(masked(["token", "token-long"], ["token", "-long"]), "****");
});

test("each line of a secret with several, without the space around it", () => {
  assert.equal(masked(["first\r\n  second  \n\nxy\n"], ["first|second|xy"]), "****|****|xy");
  assert.equal(masked(["value\n"], ["<value>"]), "<****>");
});

test("thousands of lines, in any order and cut anywhere, in no time for each", () => {
  const lines = Array.from({ length: 40_000 }, (_, i) => `user${(i * 7919) % 40_000}x`);
  const text = `${lines.join("\n")}\n`;
  const output = masked([text], text.match(/.{1,97}/gs)!);
  assert.equal(output, "****\n".repeat(lines.length));
});

test("what only begins like a secret is passed on no later than at the end", () => {
  const passed: string[] = [];
  const mask = createMask();
  mask.add(Buffer.from("hunter2"));
  const stream = mask.stream((data) => passed.push(Buffer.from(data).toString()));
  stream.write(Buffer.from("line\nhun"));
  assert.deepEqual(passed, ["line\n"]);
  stream.write(Buffer.from("gry"));
  assert.deepEqual(passed, ["line\n", "hungry"]);
});

test("one that is added later is hidden from then on", () => {
  const mask = createMask();
  let output = "";
  const stream = mask.stream((data) => {
    output += Buffer.from(data).toString();
  });
  stream.write(Buffer.from("before "));
  mask.add(Buffer.from("hunter2"));
  stream.write(Buffer.from("hunter2"));
  assert.equal(output, "before ****");
});
