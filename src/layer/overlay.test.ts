import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openContentStore } from "../content/index.ts";
import { contentDigest } from "../snapshot/index.ts";
import { openLayerStore } from "./index.ts";
import { openLayerWriter } from "./tar/index.ts";

const base = fs.mkdtempSync(join(fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "layer-overlay-"));
after(() => fs.rmSync(base, { recursive: true, force: true }));

/** Runs a script in an overlay of `lowers` (base first), in a mount namespace of its own; returns its output. */
function inOverlay(lowers: readonly string[], upper: string, script: string): string {
  const merged = fs.mkdtempSync(join(base, "merged-"));
  const work = fs.mkdtempSync(join(base, "work-"));
  fs.mkdirSync(upper, { recursive: true });
  const options = `lowerdir=${lowers.toReversed().join(":")},upperdir=${upper},workdir=${work},redirect_dir=off,metacopy=off,index=off`;
  const program = `mount -t overlay overlay -o "$1" "$2" && cd "$2" && umask 022 && ${script}`;
  return execFileSync("unshare", ["-m", "sh", "-ec", program, "sh", options, merged], {
    encoding: "latin1",
    stdio: "pipe",
  });
}

function canMount(): boolean {
  try {
    inOverlay([fs.mkdtempSync(join(base, "lower-"))], join(base, "probe"), "true");
    return true;
  } catch {
    return false;
  }
}

const needsOverlay = { skip: process.getuid?.() === 0 && canMount() ? false : "needs root and overlayfs" };

/** Sizes and link counts of directories are the filesystem's own business; times count in whole seconds. */
const list = `{ find . -mindepth 1 -type d -printf '%p d %m %U %G %T@\\n'
  find . ! -type d -printf '%p %y %m %U %G %s %T@ %n %l\\n'; } | sed -E 's/\\.[0-9]+( |$)/ /' | sort
  find . -type f -print0 | sort -z | xargs -0 sha256sum
  getcap -r . | sort`;

test(
  "what overlayfs wrote survives packing, and means the same when it is mounted again",
  needsOverlay,
  async () => {
    const root = join(base, "store");
    fs.mkdirSync(root);
    const content = openContentStore(root);
    const layers = openLayerStore(content);
    const writer = openLayerWriter({ file: content.temporary() });
    const common = { uid: 0, gid: 0, mtime: 1000 };
    for (const path of ["d", "d/sub", "e", "gone", "moved"])
      writer.add({ path, type: "directory", mode: 0o755, ...common });
    for (const path of ["d/old", "d/sub/old", "e/keep", "e/remove", "gone/x", "moved/y", "file", "linked"])
      writer.add({ path, type: "file", mode: 0o644, ...common }, { kind: "bytes", bytes: Buffer.from(path) });
    const below = await layers.adoptPacked(writer.finish());

    const upper = join(base, "upper");
    const expected = inOverlay(
      await layers.directories({ layers: [below] }),
      upper,
      `rm -rf d && mkdir d && echo new > d/new && rm e/remove && rm -rf gone && mv file renamed && cp -a moved copy && rm -rf moved
     ln linked linked2 && chmod 4755 e/keep && chown 7:8 linked && cp /bin/true ping && setcap cap_net_raw+ep ping
     mkdir empty && mkfifo e/pipe && ln -s /nowhere l && mkdir -p e/opaque && touch 'e/odd name' && ${list}`,
    );
    assert.match(expected, /cap_net_raw/);
    const top = await layers.adoptUpper(upper);
    const again = (stack: readonly string[]) => inOverlay(stack, fs.mkdtempSync(join(base, "again-")), list);
    assert.equal(again(await layers.directories({ layers: [below, top] })), expected);

    const other = openLayerStore(openContentStore(join(base, "other")));
    const ids: string[] = [];
    for (const id of [below, top]) {
      const { diffId } = await layers.tar(id);
      const blob = await openContentStore(join(base, "other")).ingestBytes(
        fs.readFileSync(content.path(diffId)),
      );
      ids.push(await other.fromTar(blob, { diffId, below: { layers: ids } }));
    }
    const directories = await other.directories({ layers: ids });
    assert.equal(again(directories), expected);

    const [one, two] = [await layers.rootfs({ layers: [below, top] }), await other.rootfs({ layers: ids })];
    assert.equal(contentDigest(one, ""), contentDigest(two, ""));
    const paths = [...one.walk("")]
      .map((entry) => `./${entry.path}`)
      .slice(1)
      .sort();
    const mounted = [...expected.matchAll(/^(\.\/.*?) [a-z] \d+ \d+ \d+ /gm)].map((match) => match[1]);
    assert.deepEqual(paths, mounted.sort(), "the union by index is the union by overlayfs");
  },
);
