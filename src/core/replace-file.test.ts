import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { replaceFile } from "./replace-file.ts";

test("a file is replaced whole, and a failure leaves nothing", () => {
  const directory = mkdtempSync(join(tmpdir(), "replace-file-"));
  try {
    const file = join(directory, "f");
    replaceFile(file, "one", 0o600);
    replaceFile(file, "two", 0o600);
    assert.equal(readFileSync(file, "utf8"), "two");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    mkdirSync(join(directory, "d", "full"), { recursive: true });
    assert.throws(() => replaceFile(join(directory, "d"), "three"));
    assert.deepEqual(readdirSync(directory).sort(), ["d", "f"]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
