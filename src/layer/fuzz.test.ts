import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { BuildError } from "../core/index.ts";
import { loadIndex, viewOf } from "../snapshot/index.ts";
import { checksum } from "./tar-header.ts";
import { indexTar } from "./tar-index.ts";
import { bytesSource } from "./tar-reader.ts";

const work = mkdtempSync(join(tmpdir(), "tar-fuzz-"));
after(() => rmSync(work, { recursive: true, force: true }));

/** Archives of GNU tar in every format that it writes. */
function seeds(): Buffer[] {
  const tree = join(work, "tree");
  const deep = `${"directory-with-a-long-name/".repeat(5)}end`;
  mkdirSync(join(tree, deep), { recursive: true });
  writeFileSync(join(tree, "file"), "content of a file\n".repeat(60));
  writeFileSync(join(tree, deep, "größe"), "x");
  symlinkSync("file", join(tree, "symlink"));
  symlinkSync(`../${deep}`, join(tree, "long-symlink"));
  linkSync(join(tree, "file"), join(tree, "hardlink"));
  writeFileSync(join(tree, ".wh.gone"), "");
  const tar = (...args: string[]) => execFileSync("tar", ["-C", tree, "-c", ...args]);
  return [
    tar("--format=gnu", "."),
    tar("--format=pax", "."),
    tar("--format=ustar", "file", "hardlink", "symlink", ".wh.gone"),
    tar("--format=v7", "file", "symlink"),
  ];
}

let state = 11;
function random(n: number): number {
  state = (state * 48271) % 2147483647;
  return state % n;
}

const pieces = [
  "../",
  "/",
  "\0",
  "\xff",
  "7777777",
  "-1",
  "\x80",
  ".wh.",
  "0",
  "5",
  "x",
  "L",
  " ",
  "path=../../x",
];

/** Some bytes changed, and the headers made valid again: a reader that stops at a checksum has not been tried. */
function mutated(seed: Buffer): Buffer {
  const tar = Buffer.from(seed);
  for (let i = random(5); i >= 0; i--) {
    const block = 512 * random(tar.length / 512);
    const piece = Buffer.from(pieces[random(pieces.length)]!, "latin1");
    piece.copy(tar, block + (random(3) === 0 ? 124 + random(40) : random(512)));
  }
  if (random(4) > 0)
    for (let at = 0; at < tar.length; at += 512)
      if (tar.toString("latin1", at + 257, at + 262) === "ustar" || random(6) === 0)
        tar.write(`${checksum(tar, at).toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  return tar.subarray(0, random(8) === 0 ? random(tar.length) : tar.length);
}

test("any archive is indexed or refused, and no name leads out of it", () => {
  const originals = seeds();
  const file = join(work, "index");
  let indexed = 0;
  for (let i = 0; i < 3000; i++) {
    const tar = mutated(originals[i % originals.length]!);
    try {
      writeFileSync(file, indexTar(bytesSource(tar)).bytes);
      const index = loadIndex(file);
      assert.ok(index !== undefined, "the index is whole");
      const view = viewOf({ id: "fuzz", index: file, content: { kind: "tar", path: "unused" } }, index);
      for (const { path } of view.entries(""))
        assert.ok(
          path === "" || !path.split("/").some((part) => ["", ".", ".."].includes(part)),
          JSON.stringify(path),
        );
      indexed++;
    } catch (error) {
      if (error instanceof BuildError) continue;
      writeFileSync(join(tmpdir(), "tar-fuzz-failure.tar"), tar);
      throw error;
    }
  }
  assert.ok(indexed > 300, `${indexed} indexed`);
});
