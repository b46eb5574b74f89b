import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { namesIn, readIfPresent } from "./if-present.ts";
import { replaceFile, replaceFileBy } from "./replace-file.ts";

const directory = mkdtempSync(join(tmpdir(), "replace-file-"));
after(() => rmSync(directory, { recursive: true }));

test("a file is replaced whole, with the mode that is asked for", () => {
  const file = join(directory, "f");
  replaceFile(file, "one", { mode: 0o600 });
  replaceFile(file, Buffer.from("two"), { mode: 0o666, durable: true });
  assert.equal(readFileSync(file, "utf8"), "two");
  assert.equal(statSync(file).mode & 0o777, 0o666);
  assert.deepEqual(readdirSync(directory), ["f"]);
});

test("a failure leaves the old file and nothing else", async () => {
  const place = join(directory, "failures");
  mkdirSync(join(place, "d", "full"), { recursive: true });
  writeFileSync(join(place, "f"), "old");
  assert.throws(() => replaceFile(join(place, "d"), "new"));
  await assert.rejects(
    replaceFileBy(join(place, "f"), async (temporary) => {
      writeFileSync(temporary, "half");
      throw new Error("no more");
    }),
    /no more/,
  );
  assert.equal(readFileSync(join(place, "f"), "utf8"), "old");
  assert.deepEqual(readdirSync(place).sort(), ["d", "f"]);
});

test("what is not there is read as nothing", () => {
  writeFileSync(join(directory, "g"), "text");
  assert.equal(readIfPresent(join(directory, "g")), "text");
  assert.equal(readIfPresent(join(directory, "missing")), undefined);
  assert.throws(() => readIfPresent(directory), /EISDIR/);
  assert.deepEqual(namesIn(join(directory, "missing")), []);
  assert.deepEqual(namesIn(join(directory, "g")), []);
  assert.ok(namesIn(directory).includes("g"));
});
