import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openReadAhead, planReadAhead, type ReadAhead, readAhead } from "./file-read-ahead.ts";
import { openFixture } from "./testing/file-fixture.ts";

/** 60 files of up to 120 KB: several batches, fewer than there are slots. */
const sizes = Array.from({ length: 60 }, (_, i) => 2000 * (i + 1));

async function planned(run: (plan: ReadAhead, directory: string) => void | Promise<void>): Promise<void> {
  using fixture = openFixture();
  const files = Object.fromEntries(sizes.map((size, i) => [`d${i % 7}/f${i}`, `${i}`.padEnd(size, "x")]));
  const directory = fixture.tree("ctx", { ...files, large: "y".repeat(300_000), empty: "" });
  const context = await fixture.scan(directory);
  assert.equal(context.kind, "tree");
  if (context.kind === "tree") await run(planReadAhead(context.tree), directory);
}

function rows(plan: ReadAhead): number[] {
  return [...plan.offsets.keys()].filter((row) => plan.offsets[row]! >= 0);
}

function checkTaken(
  plan: ReadAhead,
  row: number,
  taken: { bytes: Uint8Array; sha256: Uint8Array } | undefined,
) {
  const name = plan.source.table.paths[row]!;
  const text = Buffer.from(taken?.bytes ?? []).toString();
  assert.equal(text, /\d+$/.exec(name)![0].padEnd(plan.source.table.size[row]!, "x"));
  assert.deepEqual(Buffer.from(taken!.sha256), createHash("sha256").update(text).digest());
}

test("small files are read and hashed, others are left to the packer", async () => {
  await planned((plan) => {
    assert.equal(rows(plan).length, 60);
    assert.ok(plan.starts.length > 5 && plan.starts.length <= 9);
    readAhead(plan);
    const files = openReadAhead(plan);
    for (const row of rows(plan)) checkTaken(plan, row, files.take(row));
    assert.equal(files.take(plan.source.table.paths.indexOf("large")), undefined);
    files.close();
  });
});

test("without a reader the packer never waits, and a reader that comes late finds nothing to do", async () => {
  await planned((plan) => {
    const files = openReadAhead(plan);
    for (const row of rows(plan)) assert.equal(files.take(row), undefined);
    files.close();
    readAhead(plan);
    assert.ok(!new Uint8Array(plan.done).includes(1));
  });
});

test("what the packer went past is not read, and earlier files are its own", async () => {
  await planned((plan) => {
    const files = openReadAhead(plan);
    const [first, ...others] = rows(plan);
    const last = others.at(-1)!;
    assert.equal(files.take(last), undefined);
    readAhead(plan);
    assert.equal(files.take(first!), undefined);
    assert.ok(!new Uint8Array(plan.done).includes(1));
    files.close();
  });
});

test("a file that is not what the scan saw is left to the packer", async () => {
  await planned((plan, directory) => {
    const changed = plan.source.table.paths.indexOf("d3/f3");
    writeFileSync(join(directory, "d3/f3"), "other");
    readAhead(plan);
    const files = openReadAhead(plan);
    for (const row of rows(plan)) {
      const taken = files.take(row);
      if (row === changed) assert.equal(taken, undefined);
      else checkTaken(plan, row, taken);
    }
    files.close();
  });
});
