import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileTime } from "./file-time.ts";

test("files can be older than 1970", () => {
  const directory = mkdtempSync(join(tmpdir(), "file-time-"));
  try {
    const file = join(directory, "f");
    writeFileSync(file, "");
    for (const seconds of [-100_000, 0, 1_700_000_000]) {
      utimesSync(file, fileTime(seconds), fileTime(seconds));
      assert.equal(statSync(file).mtimeMs, seconds * 1000);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
