import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { openContentStore } from "../content/index.ts";
import type { Digest } from "../core/index.ts";
import { contentDigest } from "../snapshot/index.ts";
import { openLayerStore } from "./index.ts";
import { openLayerWriter } from "./tar/index.ts";

const needsRoot = { skip: process.getuid?.() === 0 ? false : "needs root" };
const base = fs.mkdtempSync(join(fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "layer-processes-"));
after(() => fs.rmSync(base, { recursive: true, force: true }));

/** Another process that makes the layer and unpacks it, in the store at `root`. */
function otherProcess(root: string, blob: { digest: Digest; size: number }, diffId: Digest) {
  const program = `
    import { openContentStore } from ${JSON.stringify(new URL("../content/index.ts", import.meta.url).href)};
    import { openLayerStore } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
    const layers = openLayerStore(openContentStore(${JSON.stringify(root)}));
    const id = await layers.fromTar(${JSON.stringify(blob)}, { diffId: ${JSON.stringify(diffId)} });
    console.log(await layers.directory(id));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (text) => (output += text));
  child.stderr.on("data", (text) => (output += text));
  const ended = new Promise<string>((resolve) => child.on("close", () => resolve(output.trim())));
  return { child, ended };
}

async function sample(root: string) {
  const content = openContentStore(root);
  const writer = openLayerWriter({ file: join(base, "sample.tar") });
  for (let i = 0; i < 4000; i++)
    writer.add(
      { path: `d${i % 50}/f${i}`, type: "file", mode: 0o644, uid: 1, gid: 2, mtime: i },
      { kind: "bytes", bytes: Buffer.alloc(1000, `${i} `) },
    );
  const { file, diffId } = writer.finish();
  const blob = await content.ingestBytes(gzipSync(fs.readFileSync(file), { level: 1 }));
  return { blob, diffId };
}

test("a process that is killed at any moment leaves a store that works", needsRoot, async () => {
  const root = join(base, "killed");
  fs.mkdirSync(root);
  const { blob, diffId } = await sample(root);
  for (let delay = 60; delay <= 480; delay += 60) {
    const { child, ended } = otherProcess(root, blob, diffId);
    setTimeout(() => child.kill("SIGKILL"), delay);
    await ended;
    const layers = openLayerStore(openContentStore(root));
    for (const record of layers.list()) await layers.view(record.id);
  }
  const layers = openLayerStore(openContentStore(root));
  const id = await layers.fromTar(blob, { diffId });
  const unpacked = await layers.directory(id);
  assert.equal(fs.readdirSync(unpacked).length, 50);
  for (let i = 0; i < 4000; i++) assert.equal(fs.statSync(join(unpacked, `d${i % 50}/f${i}`)).size, 1000);
  assert.match(contentDigest(await layers.rootfs({ layers: [id] }), ""), /^sha256:/);
});

test("two processes that make the same layer at once agree", needsRoot, async () => {
  const root = join(base, "together");
  fs.mkdirSync(root);
  const { blob, diffId } = await sample(root);
  const [a, b] = await Promise.all([1, 2].map(() => otherProcess(root, blob, diffId).ended));
  for (const directory of [a, b]) {
    assert.match(directory!, /^\/.*\/fs$/);
    assert.equal(fs.readdirSync(directory!).length, 50);
  }
  const layers = openLayerStore(openContentStore(root));
  const id = layers.byDiffId(diffId);
  assert.ok(id !== undefined && fs.readdirSync(await layers.directory(id)).length === 50);
});
