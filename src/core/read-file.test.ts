import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readFileWithin, readFileWithinLater } from "./read-file.ts";

const directory = mkdtempSync(join(tmpdir(), "stagewright-read-"));
after(() => rmSync(directory, { recursive: true, force: true }));

function pipe(name: string): string {
  const path = join(directory, name);
  execFileSync("mkfifo", [path]);
  return path;
}

test("a file of at most so many bytes, and no more of one that never ends", () => {
  const file = join(directory, "file");
  for (const size of [0, 1, 99_999, 100_000]) {
    writeFileSync(file, Buffer.alloc(size, 7));
    assert.equal(readFileWithin(file, 100_000)?.length, size);
  }
  writeFileSync(file, Buffer.alloc(100_001));
  assert.equal(readFileWithin(file, 100_000), undefined);
  assert.equal(readFileWithin("/dev/zero", 1000), undefined);
  assert.equal(readFileWithin("/dev/null", 1000)?.length, 0);
  assert.throws(() => readFileWithin(directory, 1000), { message: "it is a directory" });
  assert.throws(() => readFileWithin(join(directory, "none"), 1000), { code: "ENOENT" });
});

test("a pipe: to its end, however slowly it is written, unless nobody writes", {
  timeout: 30_000,
}, async () => {
  const path = pipe("slow");
  const write = (script: string) => spawn("sh", ["-c", `exec > "$0"; ${script}`, path]);
  assert.throws(() => readFileWithin(path, 100), { message: "it is a pipe that nobody writes to" });
  for (const read of [readFileWithin, readFileWithinLater]) {
    const writer = write("printf a; sleep 0.1; printf b");
    assert.equal(String(await oncePiped(() => read(path, 100))), "ab");
    writer.kill();
  }
  const endless = write("exec sleep 60");
  try {
    const stop = new AbortController();
    const reading = oncePiped(() => readFileWithinLater(path, 100, stop.signal));
    setTimeout(() => stop.abort(), 100);
    await assert.rejects(reading, { name: "AbortError" });
  } finally {
    endless.kill();
  }
});

/** Tries until the writer has opened the pipe. */
async function oncePiped<T>(read: () => T): Promise<Awaited<T>> {
  for (;;)
    try {
      return await read();
    } catch (error) {
      if (!/nobody writes/.test((error as Error).message)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
}
