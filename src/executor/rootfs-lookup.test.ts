import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { makeNode, setXattr } from "../sys/index.ts";
import { markReader, resolveInLowers } from "./rootfs-lookup.ts";
import { cannotRunSteps, remove, temporaryDirectory } from "./testing/busybox.ts";

const skip = cannotRunSteps();
let base: string;

before(() => {
  base = temporaryDirectory();
});
after(() => remove(base));

const reader = markReader("trusted");

let count = 0;
/** A layer; values are a file's text, `-> target`, `whiteout`, `opaque` or `dir`. */
function layer(entries: Record<string, string>): string {
  const root = join(base, `layer${count++}`);
  mkdirSync(root);
  for (const [path, value] of Object.entries(entries)) {
    const target = join(root, path);
    mkdirSync(dirname(target), { recursive: true });
    if (value === "whiteout") makeNode(target, "char", 0);
    else if (value === "dir" || value === "opaque") {
      mkdirSync(target, { recursive: true });
      if (value === "opaque") setXattr(target, "trusted.overlay.opaque", Buffer.from("y"));
    } else if (value.startsWith("-> ")) symlinkSync(value.slice(3), target);
    else writeFileSync(target, value);
  }
  return root;
}

const found = (lowers: string[], path: string): string | undefined =>
  resolveInLowers(lowers, path, reader).found?.hostPath;

test("the topmost layer wins, whiteouts and opaque directories hide", { skip }, () => {
  const low = layer({ "etc/hosts": "low", "etc/passwd": "low", "usr/lib/a": "a", file: "x" });
  const middle = layer({ "etc/hosts": "middle", "etc/passwd": "whiteout", usr: "opaque" });
  assert.equal(found([middle, low], "/etc/hosts"), join(middle, "etc/hosts"));
  assert.equal(found([middle, low], "/etc/passwd"), undefined);
  assert.equal(found([middle, low], "/usr/lib/a"), undefined);
  assert.equal(found([middle, low], "/usr"), join(middle, "usr"));
  assert.equal(found([middle, low], "/file"), join(low, "file"));
  assert.equal(found([layer({ usr: "a file" }), low], "/usr/lib/a"), undefined);
  assert.equal(found([layer({ usr: "whiteout" }), low], "/usr/lib/a"), undefined);
});

test("links are followed inside the root, through layers, and never out of it", { skip }, () => {
  const low = layer({ "run/real": "r", "data/x/f": "f", lib: "-> usr/lib", "usr/lib/z": "z" });
  const top = layer({
    "etc/resolv.conf": "-> ../run/stub/conf",
    abs: "-> /data",
    up: "-> ../../../../data/./x",
    "etc/escape": "-> ../../../../../../etc/passwd",
    loop: "-> loop",
  });
  const lowers = [top, low];
  assert.deepEqual(resolveInLowers(lowers, "/etc/resolv.conf", reader).components, ["run", "stub", "conf"]);
  assert.equal(found(lowers, "/abs/x/f"), join(low, "data/x/f"));
  assert.equal(found(lowers, "/up/f"), join(low, "data/x/f"));
  assert.equal(found(lowers, "lib/z"), join(low, "usr/lib/z"));
  assert.equal(found(lowers, "/etc/escape"), undefined);
  assert.deepEqual(resolveInLowers(lowers, "/etc/escape", reader).components, ["etc", "passwd"]);
  assert.deepEqual(resolveInLowers(lowers, "/../..", reader).components, []);
  assert.throws(() => found(lowers, "/loop/x"), { code: "invalid-argument", message: /too many levels/ });
});
