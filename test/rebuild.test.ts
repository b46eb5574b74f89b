import assert from "node:assert/strict";
import { lstatSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { checkout, createSandbox, isRoot } from "./sandbox.ts";

const sandbox = createSandbox("rebuild");
const context = sandbox.files("app", {
  Dockerfile: [
    "FROM busybox AS build",
    "WORKDIR /src",
    "COPY . .",
    ...(isRoot ? ["RUN wc -c files/* > /sizes"] : ["COPY files/a /sizes"]),
    "FROM busybox",
    "COPY --from=build /sizes /sizes",
    "EXPOSE 80",
    "",
  ].join("\n"),
  "files/a": "a",
  "files/b": "bb",
});
const build = ["build", "-t", "app", "--progress", "plain", context];

/** Loaded before the command line, to write down at its end what it loaded and started. */
const witness = `
const { writeFileSync } = require("node:fs");
const { _cache: modules } = require("node:module");
const threads = require("node:worker_threads");
const workers = [];
threads.Worker = class extends threads.Worker {
  constructor(file, ...rest) { super(file, ...rest); workers.push(String(file)); }
};
process.on("exit", () => writeFileSync(process.env.WITNESS, JSON.stringify({
  workers,
  modules: [...Object.keys(modules), ...process.moduleLoadList],
})));
`;

/** Every entry of the store, with all that a write to it would change. */
function entriesOf(store: string): string[] {
  return readdirSync(store, { recursive: true, encoding: "utf8" })
    .sort()
    .map((path) => {
      const { ino, size, mode, mtimeMs } = lstatSync(join(store, path));
      // Blobs are touched on purpose: a collection that runs at the same time sees that they are in use.
      return [path, ino, size, mode, path.startsWith("blobs/") ? "" : mtimeMs].join(" ");
    });
}

async function witnessed(args: readonly string[]): Promise<{ workers: string[]; modules: string[] }> {
  const file = join(sandbox.directory, "witness.json");
  const script = join(sandbox.directory, "witness.cjs");
  writeFileSync(script, witness);
  await sandbox.ok(args, { env: { WITNESS: file, NODE_OPTIONS: `--require=${script}` } });
  return JSON.parse(readFileSync(file, "utf8"));
}

describe("a build that finds everything in the cache", () => {
  before(async () => {
    await sandbox.ok(["bootstrap", "busybox"]);
    await sandbox.ok(build);
    await sleep(2100); // files that are younger are read again, in case they change within a tick of the clock
    await sandbox.ok(build);
  });

  test("changes nothing in the store", async () => {
    const before = entriesOf(sandbox.store);
    const { stderr } = await sandbox.ok(build);
    assert.match(stderr, /CACHED/);
    assert.doesNotMatch(stderr, /COPY.*\n#\d+ DONE/);
    assert.deepEqual(entriesOf(sandbox.store), before);
  });

  test("starts no thread and loads no native module", async () => {
    const { workers, modules } = await witnessed(build);
    assert.deepEqual(workers, []);
    assert.deepEqual(
      modules.filter((file) => /koffi|\.node$/.test(file)),
      [],
    );
    assert.deepEqual(
      modules.filter((name) => /^NativeModule (https?|tls|child_process|readline|fs\/promises)$/.test(name)),
      [],
      "parts of Node that take long to load",
    );
  });

  test("where there is work to do, the same witness sees it", { skip: !isRoot }, async () => {
    const { workers, modules } = await witnessed([...build, "--no-cache"]);
    assert.ok(workers.length > 0 || modules.some((file) => file.includes("koffi")));
  });
});

test("the bundle that every command reads stays small", () => {
  const { size } = statSync(join(checkout, "dist", "cli.cjs"));
  // What a command does not need is not compiled, but V8 reads over it: about 1 ms for the whole file.
  assert.ok(size <= 850_000, `${size} bytes`);
});
