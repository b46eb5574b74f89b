import assert from "node:assert/strict";
import {
  closeSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { extractTree } from "./extract.ts";
import { packTree } from "./pack.ts";
import { pipeSource } from "./stream.ts";

test("times survive a copy in whole seconds, those before 1970 too", () => {
  const base = mkdtempSync(join(tmpdir(), "extract-"));
  const names = ["", "file", "link", "directory"];
  try {
    const from = join(base, "from");
    mkdirSync(join(from, "directory"), { recursive: true });
    writeFileSync(join(from, "file"), "text");
    symlinkSync("file", join(from, "link"));
    for (const [seconds, expected] of [
      [-100_000, -100_000],
      [0, 0],
      [1_700_000_000.75, 1_700_000_000],
    ] as const) {
      const time = new Date(seconds * 1000);
      for (const name of [...names].reverse()) lutimesSync(join(from, name), time, time);
      const archive = join(base, "archive");
      const out = openSync(archive, "w");
      packTree({ path: from, followLink: false }, out);
      closeSync(out);
      const into = openSync(archive, "r");
      const to = join(base, `to${seconds}`);
      extractTree({ path: to, kind: "copy", keepOwners: false, followParents: true }, pipeSource(into));
      closeSync(into);
      for (const name of names)
        assert.equal(lstatSync(join(to, name)).mtimeMs, expected * 1000, `${name} ${seconds}`);
    }
  } finally {
    rmSync(base, { recursive: true });
  }
});
