import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError } from "../core/index.ts";
import { errorText, excerpt } from "./error-text.ts";

test("a hint of several lines is indented", () => {
  const error = new BuildError("not-found", "nothing", { hint: "one\ntwo" });
  assert.equal(errorText(error), "ERROR: nothing\nHint: one\n      two\n");
});

test("a failed step shows the end of its output, the marked lines, the message and the hint", () => {
  const error = new BuildError(
    "unknown",
    'process "/bin/sh -c false" did not complete successfully: exit code: 1',
    {
      hint: "look at it",
      details: {
        step: "[2/2] RUN false",
        logTail: ["0.1 a", "0.2 b"],
        logFile: "logs/x",
        source: {
          file: "Dockerfile",
          text: "FROM a\nENV b=c\n\nRUN \\\n  false\nCMD x\n",
          ranges: [{ start: { line: 4, column: 0 }, end: { line: 5, column: 7 } }],
        },
      },
    },
  );
  assert.equal(
    errorText(error),
    `------
 > [2/2] RUN false:
0.1 a
0.2 b
------
Dockerfile:4
--------------------
   2 |     ENV b=c
   3 |     
   4 | >>> RUN \\
   5 | >>>   false
   6 |     CMD x
   7 |     
--------------------
ERROR: process "/bin/sh -c false" did not complete successfully: exit code: 1
Full log: logs/x
Hint: look at it
`,
  );
});

test("a place within a line has its column and is underlined", () => {
  const text = "FROM a\nCOPY\t--form=x a b\n";
  const range = (start: number, end: number) => ({
    start: { line: 2, column: start },
    end: { line: 2, column: end },
  });
  const excerptOf = (start: number, end: number) =>
    excerpt({ file: "Dockerfile", text, ranges: [range(start, end)] }).split("\n");
  assert.equal(excerptOf(5, 13)[0], "Dockerfile:2:6");
  assert.deepEqual(excerptOf(5, 13).slice(3, 5), [
    "   2 | >>> COPY\t--form=x a b",
    "     |         \t^^^^^^^^",
  ]);
  assert.equal(excerptOf(0, 17)[0], "Dockerfile:2");
  assert.equal(excerptOf(0, 17).length, excerptOf(5, 13).length - 1);
});

test("an error without a place is its message alone", () => {
  assert.equal(errorText(new BuildError("not-found", "no such image: x")), "ERROR: no such image: x\n");
});

test("what a step wrote cannot speak to the terminal", () => {
  const error = new BuildError("unknown", "failed\u001b[2J", {
    details: {
      step: "RUN x",
      logTail: ["\u001b]0;title\u0007\u001b[31mred\u001b[0m\u001b[1A\tend\u009b2J\b"],
    },
  });
  assert.equal(errorText(error), "------\n > RUN x:\n\u001b[31mred\u001b[0m\tend2J\n------\nERROR: failed\n");
});
