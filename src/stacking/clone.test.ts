import assert from "node:assert/strict";
import { lstatSync, lutimesSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { cloneTree } from "./clone.ts";

test("a clone has the times of the original to the microsecond, those before 1970 to the millisecond", () => {
  const base = mkdtempSync(join(tmpdir(), "clone-"));
  const names = ["", "file", "link", "directory"];
  try {
    for (const seconds of [-100_000.25, 0, 1_700_000_000, 1_700_000_000.123_456, 1_700_000_000.123_457]) {
      const [from, to] = [join(base, `from${seconds}`), join(base, `to${seconds}`)];
      mkdirSync(join(from, "directory"), { recursive: true });
      mkdirSync(to);
      writeFileSync(join(from, "file"), "text");
      symlinkSync("file", join(from, "link"));
      const time = seconds < 0 ? new Date(seconds * 1000) : seconds;
      for (const name of [...names].reverse()) lutimesSync(join(from, name), time, time);
      cloneTree(from, to);
      for (const name of names) {
        const [original, copy] = [lstatSync(join(from, name)), lstatSync(join(to, name))];
        assert.ok(
          Math.abs(original.mtimeMs - copy.mtimeMs) < 0.002,
          `${name}: ${original.mtimeMs}, ${copy.mtimeMs}`,
        );
        assert.equal(Math.floor(copy.mtimeMs), Math.floor(original.mtimeMs), name);
      }
    }
  } finally {
    rmSync(base, { recursive: true });
  }
});
