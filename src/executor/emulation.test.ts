import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parsePlatform } from "../core/index.ts";
import { cannotEmulate, emulationOf, emulatorMounts } from "./emulation.ts";

const directory = mkdtempSync(join(tmpdir(), "stagewright-binfmt-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const amd64 = parsePlatform("linux/amd64");
const found = (platform: string, host = amd64) => emulationOf(parsePlatform(platform), directory, host);
/** As the kernel prints what Debian's qemu-user-static registers. */
const entry = (machine: string, flags: string, interpreter: string) => `enabled
interpreter ${interpreter}
flags: ${flags}
offset 0
magic 7f454c460201010000000000000000000200${machine}
mask ffffffffffffff00fffffffffffffffffeffffff
`;

test("an emulator is found by the programs that it takes, whatever its name is", () => {
  assert.deepEqual(found("linux/arm64"), { kind: "none" }, "binfmt_misc is not there");
  writeFileSync(join(directory, "status"), "enabled\n");
  writeFileSync(join(directory, "register"), "");
  writeFileSync(
    join(directory, "python3"),
    "enabled\ninterpreter /usr/bin/python3\nflags: \nextension .pyc\n",
  );
  writeFileSync(join(directory, "some-name"), entry("b700", "OCF", "/usr/libexec/qemu-a64"));
  assert.deepEqual(found("linux/arm64"), { kind: "kernel", interpreter: "/usr/libexec/qemu-a64" });
  assert.deepEqual(found("linux/arm64/v8"), { kind: "kernel", interpreter: "/usr/libexec/qemu-a64" });
  assert.deepEqual(found("linux/riscv64"), { kind: "none" });
  writeFileSync(join(directory, "riscv"), entry("f300", "", process.execPath));
  const mounted = found("linux/riscv64");
  assert.deepEqual(mounted, { kind: "mounted", interpreter: process.execPath });
  assert.deepEqual(emulatorMounts(mounted), [
    { type: "bind", source: process.execPath, target: process.execPath, readonly: true },
  ]);
  writeFileSync(join(directory, "riscv"), entry("f300", "", join(directory, "absent")));
  assert.deepEqual(found("linux/riscv64"), { kind: "none" }, "the interpreter is gone");
  writeFileSync(join(directory, "status"), "disabled\n");
  assert.deepEqual(found("linux/arm64"), { kind: "none" });
});

test("what the processor runs itself needs none", () => {
  assert.deepEqual(found("linux/amd64"), { kind: "native" });
  assert.deepEqual(found("linux/amd64/v3"), { kind: "native" });
  assert.deepEqual(found("linux/386"), { kind: "native" });
  assert.deepEqual(found("linux/arm/v6", parsePlatform("linux/arm64")), { kind: "native" });
  assert.deepEqual(found("windows/amd64"), { kind: "none" });
});

test("the refusal says what to install", () => {
  const error = cannotEmulate(parsePlatform("linux/s390x"), "RUN true", {});
  assert.equal(error.code, "failed-precondition");
  assert.match(error.message, /no emulator for linux\/s390x: RUN true/);
  assert.match(error.hint ?? "", /qemu-user-static/);
});
