import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lineDiff } from "./line-diff.ts";

test("equal texts have no difference", () => {
  assert.equal(lineDiff("f", "a\nb\n", "a\nb\n"), "");
});

test("a change is shown with the lines around it", () => {
  assert.equal(
    lineDiff("f", "1\n2\n3\n4\n5\n6\n", "1\n2\n3\nfour\n5\n6\n"),
    "--- f\n+++ f\n@@ -2,5 +2,5 @@\n 2\n 3\n-4\n+four\n 5\n 6\n",
  );
});

test("patch makes the second text from the first", () => {
  const directory = mkdtempSync(join(tmpdir(), "line-diff-"));
  const file = join(directory, "f");
  const letters = "abcdefghijklmnopqrstuvwxyz".split("");
  try {
    for (let round = 0; round < 20; round++) {
      const before = letters.map((letter) => `${letter}\n`);
      const after = before.flatMap((line, i) => {
        const choice = (i * 7 + round * 3) % (5 + round);
        return choice === 0 ? [] : choice === 1 ? [line.toUpperCase(), "new\n"] : [line];
      });
      writeFileSync(file, before.join(""));
      const diff = lineDiff("f", before.join(""), after.join(""));
      const { status, stdout } = spawnSync("patch", ["-s", "-p0"], {
        cwd: directory,
        input: diff,
        encoding: "utf8",
      });
      assert.equal(status, 0, `${stdout}\n${diff}`);
      assert.equal(readFileSync(file, "utf8"), after.join(""));
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
