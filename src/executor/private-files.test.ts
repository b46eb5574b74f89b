import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { cannotRunWith } from "./testing/busybox.ts";
import { openWorkshop, type Workshop } from "./testing/steps.ts";
import type { Mount } from "./types.ts";

function holding(directory: string, text: string): string[] {
  return (readdirSync(directory, { recursive: true }) as string[])
    .map((name) => join(directory, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .filter((path) => readFileSync(path).includes(text));
}

function secret(target: string, content: string | Uint8Array, changes: object = {}): Mount {
  return { type: "secret", target, content: Buffer.from(content), uid: 0, gid: 0, mode: 0o400, ...changes };
}

for (const runtime of ["crun", "runc"])
  describe(`private files (${runtime})`, { skip: cannotRunWith(runtime) }, () => {
    let shop: Workshop;
    before(async () => {
      shop = await openWorkshop(runtime);
    });
    after(() => shop.close());

    test("a step sees them with their owner and mode, and can change nothing", async () => {
      const { stdout, upper } = await shop.step(
        "cat /run/secrets/a /b c; stat -c '%a %u:%g %s %n' /run/secrets/a /b /empty; echo x 2>/dev/null >/b || echo refused; cp /bin/busybox /run/secrets/a || rm /b || echo kept",
        {
          cwd: "/deep/below",
          mounts: [
            secret("/run/secrets/a", "first\n"),
            secret("/b", "second\n", { uid: 1000, gid: 1001, mode: 0o640 }),
            secret("/deep/below/c", "third\n"),
            secret("/empty", ""),
          ],
        },
      );
      assert.deepEqual(stdout.trimEnd().split("\n"), [
        ...["first", "second", "third"],
        ...["400 0:0 6 /run/secrets/a", "640 1000:1001 7 /b", "400 0:0 0 /empty"],
        ...["refused", "kept"],
      ]);
      assert.deepEqual(readdirSync(upper, { recursive: true }).sort(), ["deep", "deep/below"]);
    });

    test("a large one arrives byte by byte", async () => {
      const content = randomBytes(500 * 1024);
      const { stdout } = await shop.step("sha256sum </large; wc -c </large", {
        mounts: [secret("/large", content)],
      });
      assert.equal(stdout, `${createHash("sha256").update(content).digest("hex")}  -\n${content.length}\n`);
    });

    test("no file of the machine holds one while the step runs", async () => {
      const file = `file ${randomBytes(12).toString("hex")}`;
      const variable = `variable ${randomBytes(12).toString("hex")}`;
      let found: string[] | undefined;
      const { stdout } = await shop.step('echo ready; test "$(cat /s)" && echo "$V" | wc -c; sleep 0.2', {
        mounts: [secret("/s", file)],
        secretEnv: [`V=${variable}`],
        onOutput: () => {
          found ??= [...holding(shop.stateDir, file), ...holding(shop.stateDir, variable)];
        },
      });
      assert.equal(stdout, `ready\n${variable.length + 1}\n`);
      assert.deepEqual(found, []);
    });
  });
