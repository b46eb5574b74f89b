import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSymbolicMode } from "./file-mode.ts";

const changed = (text: string, mode: number, directory = false): string =>
  parseSymbolicMode(text)(mode, directory).toString(8);

test("symbolic modes", () => {
  assert.equal(changed("u+x", 0o644), "744");
  assert.equal(changed("a+X", 0o644), "644");
  assert.equal(changed("a+X", 0o644, true), "755");
  assert.equal(changed("a+X", 0o654), "755");
  assert.equal(changed("go=u-w", 0o640), "644");
  assert.equal(changed("go=", 0o777), "700");
  assert.equal(changed("=r", 0o4755), "444");
  assert.equal(changed("u+s,g+s", 0o755), "6755");
  assert.equal(changed("o+s", 0o755), "755");
  assert.equal(changed("+t", 0o755), "1755");
  assert.equal(changed("=tx", 0o644), "1644");
  assert.equal(changed("a+xt", 0o644), "1755");
  assert.equal(changed("a=rx", 0o1777), "1555");
  assert.equal(changed("g=o", 0o2704), "2744");
  assert.equal(changed("0750", 0o644), "750");
});

test("what is no mode is refused", () => {
  for (const text of ["", "u", "u+q", "u+x,", "z+x", "99"])
    assert.throws(() => parseSymbolicMode(text), /invalid mode/, text);
});
