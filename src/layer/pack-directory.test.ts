import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openContentStore } from "../content/index.ts";
import { openLayerStore } from "./store.ts";

const root = mkdtempSync(join(tmpdir(), "stagewright-pack-directory-"));
after(() => rmSync(root, { recursive: true, force: true }));
const layers = openLayerStore(openContentStore(join(root, "store")));

test("a directory of the host becomes the same layer whoever made it", async () => {
  const make = (name: string, umask: number) => {
    const directory = join(root, name);
    mkdirSync(join(directory, "sub"), { recursive: true });
    writeFileSync(join(directory, "sub/run"), "run");
    chmodSync(join(directory, "sub/run"), 0o777 & ~umask);
    writeFileSync(join(directory, "plain"), "plain");
    chmodSync(join(directory, "plain"), 0o666 & ~umask);
    chmodSync(join(directory, "sub"), 0o777 & ~umask);
    symlinkSync("sub/run", join(directory, "link"));
    utimesSync(join(directory, "plain"), 1000 + umask, 1000 + umask);
    return directory;
  };
  const first = await layers.fromDirectory(make("one", 0o022), { mtime: 7 });
  const second = await layers.fromDirectory(make("two", 0o077), { mtime: 7 });
  assert.equal(second, first);
  const rooted = await layers.fromDirectory(join(root, "one"), { mtime: 7, withRoot: true });
  const { entry } = (await layers.rootfs({ layers: [rooted] })).resolve("");
  assert.deepEqual([entry?.type, entry?.mode, entry?.mtime], ["directory", 0o755, 7]);
  const rootfs = await layers.rootfs({ layers: [first] });
  const seen = [...rootfs.walk("")].map(({ path, type, mode, uid, mtime }) => [path, type, mode, uid, mtime]);
  assert.deepEqual(
    seen.filter(([path]) => path !== ""),
    [
      ["link", "symlink", 0o777, 0, 7],
      ["plain", "file", 0o644, 0, 7],
      ["sub", "directory", 0o755, 0, 7],
      ["sub/run", "file", 0o755, 0, 7],
    ],
  );
});

test("what is no file, directory or symlink is refused, and leaves nothing", async () => {
  const directory = join(root, "odd");
  mkdirSync(directory);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(directory, "socket"), resolve));
  try {
    await assert.rejects(layers.fromDirectory(directory), /socket is no file, directory or symlink/);
  } finally {
    server.close();
  }
});
