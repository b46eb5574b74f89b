import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type LogEntry, openLog, readLog } from "./log.ts";

const directory = mkdtempSync(join(tmpdir(), "log-"));
after(() => rmSync(directory, { recursive: true }));

async function read(file: string, options?: Parameters<typeof readLog>[1]): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const entry of readLog(file, options)) entries.push(entry);
  return entries;
}

const shown = (entries: readonly LogEntry[]): string[] =>
  entries.map(({ stream, data }) => `${stream} ${JSON.stringify(data.toString())}`);

test("lines of two streams, in pieces, and what ends without a line end", async () => {
  const file = join(directory, "lines");
  const log = openLog(file);
  const before = Date.now();
  log.write(1, Buffer.from("one\ntw"));
  log.write(2, Buffer.from("error"));
  log.write(1, Buffer.from("o\n\nthree"));
  log.close();
  const entries = await read(file);
  assert.deepEqual(shown(entries), ['1 "one\\n"', '1 "two\\n"', '1 "\\n"', '1 "three"', '2 "error"']);
  assert.ok(entries.every(({ time }) => time >= before && time <= Date.now()));
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(shown(await read(file, { tail: 1 })), shown(entries.slice(-1)));
  assert.deepEqual(await read(file, { tail: 0 }), []);
  assert.equal((await read(file, { tail: 100 })).length, 5);
});

test("long lines and output that is no text come out as they went in", async () => {
  const file = join(directory, "bytes");
  const sent = Buffer.concat([
    Buffer.alloc(50_000, "ä"),
    Buffer.from([0xff, 0x00, 0x0a, 0xc3]),
    Buffer.alloc(20_000, "b"),
  ]);
  const log = openLog(file);
  for (let at = 0; at < sent.length; at += 7_001) log.write(1, sent.subarray(at, at + 7_001));
  log.close();
  const entries = await read(file);
  assert.ok(Buffer.concat(entries.map(({ data }) => data)).equals(sent));
  assert.ok(entries.length > 4 && entries.every(({ data }) => data.length <= 16 << 10));
});

test("a log that has grown goes on in a new file, and one older file is read too", async () => {
  const file = join(directory, "large");
  const log = openLog(file, 1000);
  const lines = Array.from({ length: 40 }, (_, index) => `line ${index}\n`);
  for (const line of lines) log.write(1, Buffer.from(line));
  log.close();
  assert.ok(existsSync(`${file}.1`) && statSync(`${file}.1`).size <= 1000 && statSync(file).size <= 1000);
  const kept = (await read(file)).map(({ data }) => data.toString());
  assert.ok(kept.length > 10 && kept.length < 40);
  assert.deepEqual(kept, lines.slice(-kept.length));
});

test("a line that a crash cut short is left out, and takes no other along", async () => {
  const file = join(directory, "cut");
  const first = openLog(file);
  first.write(1, Buffer.from("before\n"));
  first.close();
  appendFileSync(file, '{"log":"cut sh');
  const second = openLog(file);
  second.write(1, Buffer.from("after\n"));
  second.close();
  assert.deepEqual(shown(await read(file)), ['1 "before\\n"', '1 "after\\n"']);
});

test("who follows sees everything to the end, also over a change of files", { timeout: 20_000 }, async () => {
  const file = join(directory, "followed");
  const log = openLog(file, 500);
  const signal = new AbortController().signal;
  let over = false;
  const seen: string[] = [];
  let written = 0;
  const more = (): void => log.write(1, Buffer.from(`line ${written++}\n`));
  more();
  for await (const { data } of readLog(file, { follow: { isOver: () => over, signal } })) {
    seen.push(data.toString());
    // The next one once this one was seen: the reader is never two files behind.
    if (written < 15) more();
    else over = true;
  }
  log.close();
  assert.deepEqual(
    seen,
    Array.from({ length: 15 }, (_, index) => `line ${index}\n`),
  );
  assert.ok(existsSync(`${file}.1`));
});

test("who follows is let go, and a log that is not there yet is waited for", {
  timeout: 20_000,
}, async () => {
  const file = join(directory, "later");
  const stop = new AbortController();
  const following = read(file, { follow: { isOver: () => false, signal: stop.signal } });
  const log = openLog(file);
  log.write(2, Buffer.from("late\n"));
  log.close();
  setTimeout(() => stop.abort(), 500);
  assert.deepEqual(shown(await following), ['2 "late\\n"']);
  assert.deepEqual(await read(join(directory, "never")), []);
});
