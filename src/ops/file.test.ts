import assert from "node:assert/strict";
import { chmodSync, linkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { chain, copyAction, listing, openFixture, readText } from "./file-fixture.ts";

test("COPY . of a context into a new directory", async () => {
  using fixture = openFixture();
  const root = fixture.tree("ctx", {
    "a.txt": "A",
    "src/main.go": "package main",
    "src/deep/x": "x",
    empty: null,
  });
  chmodSync(join(root, "src/main.go"), 0o755);
  chmodSync(join(root, "src"), 0o700);
  utimesSync(join(root, "a.txt"), 1000.9, 1000.9);
  const made = await fixture.run(chain(1, copyAction("/", "/app/")), await fixture.scan(root));
  assert.deepEqual(listing(await fixture.rootfs(made)), [
    "directory 755 0:0 app",
    "file 644 0:0 app/a.txt",
    "directory 755 0:0 app/empty",
    "directory 700 0:0 app/src",
    "directory 755 0:0 app/src/deep",
    "file 644 0:0 app/src/deep/x",
    "file 755 0:0 app/src/main.go",
  ]);
  assert.equal((await fixture.rootfs(made)).lookup("app/a.txt")?.mtime, 1000);
  assert.equal(readText(await fixture.rootfs(made), "app/src/main.go"), "package main");
  assert.match((await fixture.list(made))[0]!, /^drwxr-xr-x 0\/0 +0 1980-01-02 00:00:00 app\/$/);
});
void linkSync;
void writeFileSync;
