import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { cannotRunWith } from "./testing/busybox.ts";
import { openWorkshop, type Workshop } from "./testing/steps.ts";

for (const runtime of ["crun", "runc"])
  describe(`privileges (${runtime})`, { skip: cannotRunWith(runtime) }, () => {
    let shop: Workshop;
    before(async () => {
      shop = await openWorkshop(runtime);
    });
    after(() => shop.close());

    test("an insecure step has what this process may do, and nothing is hidden from it", async () => {
      const own = /^CapEff:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
      const { stdout } = await shop.step(
        "grep -E '^(CapEff|CapAmb|Seccomp):' /proc/self/status; mount -t tmpfs none /tmp && echo mounted; test -c /dev/fuse && test -b /dev/loop0 && echo devices; mount | grep -c ' on /proc/' ",
        { insecure: true },
      );
      assert.deepEqual(stdout.trimEnd().split("\n"), [
        `CapEff:\t${own}`,
        `CapAmb:\t${own}`,
        "Seccomp:\t0",
        "mounted",
        "devices",
        "0",
      ]);
    });

    test("the sandbox is the default", async () => {
      const { stdout } = await shop.step(
        "mount -t tmpfs none /tmp 2>/dev/null || echo refused; ls /dev/fuse /dev/loop0 2>/dev/null",
      );
      assert.equal(stdout, "refused\n");
    });
  });
