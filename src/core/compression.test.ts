import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { crc32, gunzipSync, zstdDecompressSync } from "node:zlib";
import { compressFile } from "./compression.ts";
import { combineCrc32 } from "./crc.ts";
import { BuildError } from "./errors.ts";

const directory = mkdtempSync(join(tmpdir(), "compression-"));
after(() => rmSync(directory, { recursive: true }));

/** Text that compresses, and differs in every chunk. */
function sample(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * i * 31) >>> 11;
  return bytes;
}

test("the CRC of two pieces is the CRC of both together", () => {
  const all = sample(100_003);
  for (const cut of [0, 1, 17, 65_536, 100_002, 100_003]) {
    const [a, b] = [all.subarray(0, cut), all.subarray(cut)];
    assert.equal(combineCrc32(crc32(a), crc32(b), b.length), crc32(all));
  }
});

for (const size of [0, 1, 1 << 20, (1 << 20) + 1, (5 << 20) + 12_345])
  test(`${size} bytes survive, always compressed to the same bytes`, async () => {
    const file = join(directory, `in-${size}`);
    const data = sample(size);
    writeFileSync(file, data);
    for (const algorithm of ["gzip", "zstd"] as const) {
      const results = [];
      for (const run of [1, 2]) {
        const target = join(directory, `${size}.${algorithm}.${run}`);
        const blob = await compressFile(file, target, algorithm);
        const packed = readFileSync(target);
        assert.equal(blob.size, packed.length);
        assert.equal(blob.digest, `sha256:${createHash("sha256").update(packed).digest("hex")}`);
        const unpacked = algorithm === "gzip" ? gunzipSync(packed) : zstdDecompressSync(packed);
        assert.ok(unpacked.equals(data), algorithm);
        results.push(blob);
      }
      assert.deepEqual(results[0], results[1]);
    }
  });

test("an abort leaves nothing, and later work is not disturbed", async () => {
  const file = join(directory, "aborted");
  writeFileSync(file, sample(8 << 20));
  const controller = new AbortController();
  const work = compressFile(file, `${file}.gz`, "gzip", { signal: controller.signal });
  setTimeout(() => controller.abort(), 20);
  await assert.rejects(work, (error) => error instanceof BuildError && error.code === "canceled");
  assert.equal(readdirSync(directory).includes("aborted.gz"), false);
  await compressFile(file, `${file}.gz`, "gzip");
  assert.equal(gunzipSync(readFileSync(`${file}.gz`)).length, 8 << 20);
});

test("a worker's error arrives as it was thrown", async () => {
  const file = join(directory, "shrinking");
  writeFileSync(file, sample(3 << 20));
  const work = compressFile(file, `${file}.gz`, "gzip");
  writeFileSync(file, "");
  await assert.rejects(work, (error) => error instanceof BuildError && error.code === "data-loss");
});
