import assert from "node:assert/strict";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { digestOf } from "../core/index.ts";
import { comparer, isComplete, newComparison } from "./local-compare.ts";
import { decodeScan, readScan, writeScan } from "./local-kept.ts";
import { scanOrCompare } from "./local-rescan.ts";
import { directoryRows, type TreeTable } from "./local-table.ts";
import { filterOf, runScan, type ScanTask } from "./local-tasks.ts";

/** Longer than the clock takes that files get their times from. */
const tick = 20;

interface Place extends Disposable {
  readonly directory: string;
  readonly root: string;
}

function place(): Place {
  const directory = mkdtempSync(join(tmpdir(), "compare-"));
  const root = join(directory, "context");
  mkdirSync(root);
  return { directory, root, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
}

function compared(task: ScanTask, table: TreeTable): Uint8Array {
  const comparison = newComparison(table);
  assert.equal(comparer(task.root, table, filterOf(task), comparison)(), false);
  assert.ok(isComplete(comparison));
  return comparison.same;
}

/** Numbers from 0 to `below`, the same for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const names = ["a", "b", "c.log", "d", "keep.log", "é"];

/** Does something to a tree, or nothing. */
function change(root: string, random: (below: number) => number): void {
  const path = join(root, ...Array.from({ length: 1 + random(3) }, () => names[random(names.length)]!));
  const other = join(root, names[random(names.length)]!);
  const changes: readonly (() => void)[] = [
    () => writeFileSync(path, "x".repeat(random(100))),
    () => writeFileSync(path, "same size"),
    () => mkdirSync(path, { recursive: true }),
    () => rmSync(path, { recursive: true }),
    () => renameSync(path, other),
    () => chmodSync(path, 0o600 + random(64)),
    () => symlinkSync(String(random(3)), path),
    () => linkSync(other, path),
  ];
  try {
    changes[random(changes.length)]!();
  } catch {
    // There was nothing to change.
  }
}

const filters: readonly Pick<ScanTask, "include" | "exclude">[] = [
  { include: undefined, exclude: [] },
  { include: undefined, exclude: ["**/*.log", "!**/keep.log", "d"] },
  { include: ["a", "b/*", "é"], exclude: ["**/c.log"] },
];

test("what is taken over from a table is what a scan finds", async (t) => {
  using here = place();
  for (let seed = 1; seed <= 60; seed++) {
    const random = generator(seed);
    const root = join(here.root, String(seed));
    mkdirSync(root);
    for (let i = 0; i < 40; i++) change(root, random);
    const task: ScanTask = { root, ...filters[seed % filters.length]! };
    const table = runScan(task)!;
    await setTimeout(tick);
    for (let i = random(4); i > 0; i--) change(root, random);
    const same = compared(task, table);
    const fresh = runScan(task)!;
    await t.test(`tree ${seed}`, () => {
      assert.deepEqual(runScan({ ...task, known: { table, same } }), fresh);
      if (directoryRows(table).every((row) => same[row] === 1))
        for (const column of ["paths", "size", "mtime", "ctime", "ino", "mode", "end", "twin"] as const)
          assert.deepEqual(table[column].slice(1), fresh[column].slice(1), column);
    });
  }
});

test("a directory of which nothing changed is the same, and no other", async () => {
  using here = place();
  for (const name of ["a", "b", "c"]) {
    mkdirSync(join(here.root, name));
    writeFileSync(join(here.root, name, "file"), name);
  }
  const task: ScanTask = { root: here.root, include: undefined, exclude: ["**/ignored"] };
  const table = runScan(task)!;
  await setTimeout(tick);
  const same = () => {
    const flags = compared(task, table);
    return directoryRows(table).flatMap((row) => (flags[row] === 1 ? [table.paths[row]] : []));
  };
  assert.deepEqual(same(), ["", "a", "b", "c"]);
  writeFileSync(join(here.root, "a", "file"), "z");
  assert.deepEqual(same(), ["", "b", "c"]);
  writeFileSync(join(here.root, "b", "another"), "");
  assert.deepEqual(same(), ["c"], "the root's entry b has another time, too");
});

test("what is ignored may come and go", async () => {
  using here = place();
  mkdirSync(join(here.root, "a"));
  const task: ScanTask = { root: here.root, include: undefined, exclude: ["**/ignored"] };
  await setTimeout(tick);
  const table = runScan(task)!;
  mkdirSync(join(here.root, "ignored"));
  writeFileSync(join(here.root, "ignored", "file"), "");
  assert.deepEqual([...compared(task, table)], [1, 1]);
  writeFileSync(join(here.root, "noticed"), "");
  assert.deepEqual([...compared(task, table)], [0, 1]);
});

test("the digests of a large directory's selections are kept until it changes", async () => {
  using here = place();
  for (let i = 0; i < 2100; i++) {
    const directory = join(here.root, String(i % 7));
    if (i < 7) mkdirSync(directory);
    writeFileSync(join(directory, `file-${i}`), String(i));
  }
  const task: ScanTask = { root: here.root, include: undefined, exclude: [] };
  const memo = join(here.directory, "contexts");
  const selection = { digest: digestOf("x"), ingredients: [{ name: "context", value: "x" }] };

  const early = await scanOrCompare(task, memo);
  early.keepSelection("all", selection);
  assert.throws(() => readdirSync(memo), "files that were just written can change unseen");

  await setTimeout(2100);
  const first = await scanOrCompare(task, memo);
  assert.deepEqual([first.isKnown, first.selection("all")], [false, undefined]);
  first.keepSelection("all", selection);

  const second = await scanOrCompare(task, memo);
  assert.deepEqual([second.isKnown, second.selection("all")], [true, selection]);
  assert.deepEqual(second.table, first.table);
  const filtered = await scanOrCompare({ ...task, exclude: ["3"] }, memo);
  assert.equal(filtered.selection("all"), undefined, "another filter is another directory");

  writeFileSync(join(here.root, "3", "file-3"), "changed");
  const third = await scanOrCompare(task, memo);
  assert.deepEqual([third.isKnown, third.selection("all")], [false, undefined]);
  assert.deepEqual(third.table, runScan(task));
});

test("a damaged file of an earlier scan is as good as none", () => {
  using here = place();
  const file = join(here.directory, "x.scan");
  const table = runScan({ root: here.root, include: undefined, exclude: [] })!;
  writeScan(file, { table, selections: new Map() });
  const whole = readFileSync(file);
  assert.deepEqual(decodeScan(readScan(file)!)?.table, table);
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at]! ^= 0xff;
    writeFileSync(file, damaged);
    assert.equal(readScan(file), undefined);
  }
  writeFileSync(file, "");
  assert.equal(readScan(file), undefined);
  assert.equal(decodeScan(Buffer.from("nonsense")), undefined);
});
