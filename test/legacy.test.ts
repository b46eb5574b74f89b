import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { startRegistry } from "../src/registry/testing/index.ts";
import { createSandbox, type Output } from "./sandbox.ts";

const sandbox = createSandbox("legacy");
const id = "[0-9a-f]{12}";

const stages = `FROM busybox AS base
RUN echo "base"

FROM base AS stage1
RUN echo "stage1"

FROM base AS stage2
RUN echo "stage2"

FROM base AS stage3
RUN false
`;

function imagesOf({ stdout }: Output): string[] {
  return [...stdout.matchAll(new RegExp(`^ ---> (${id})$`, "gm"))].map(([, image = ""]) => image);
}

function builtBy({ stdout }: Output): string | undefined {
  return new RegExp(`^Successfully built (${id})$`, "m").exec(stdout)?.[1];
}

before(async () => {
  await sandbox.ok(["bootstrap", "busybox"]);
  sandbox.files("stages", { Dockerfile: stages });
});

const target = (...flags: string[]) => ["build", "--target", "stage2", ...flags, "stages"];

describe("the classic builder's mode", () => {
  test("every stage up to the target, instruction by instruction, in the classic builder's words", async () => {
    const built = await sandbox.ok(target("--builder", "legacy", "-t", "team/two:1"));
    const ran = (word: string) =>
      ` ---> Running in ${id}\n${word}\nRemoving intermediate container ${id}\n ---> ${id}\n`;
    assert.match(
      built.stdout,
      new RegExp(
        `^Reading build context in place: stages
Step 1/6 : FROM busybox AS base
 ---> ${id}
Step 2/6 : RUN echo "base"
${ran("base")}Step 3/6 : FROM base AS stage1
 ---> ${id}
Step 4/6 : RUN echo "stage1"
${ran("stage1")}Step 5/6 : FROM base AS stage2
 ---> ${id}
Step 6/6 : RUN echo "stage2"
${ran("stage2")}Successfully built ${id}
Successfully tagged team/two:1
$`,
      ),
    );
    assert.equal(built.stderr, "");
    const [base, afterBase, first, , second, last] = imagesOf(built);
    assert.equal(first, afterBase);
    assert.equal(second, afterBase);
    assert.equal(last, builtBy(built));
    const busybox = (await sandbox.ok(["images", "-q", "busybox"])).stdout.trim();
    assert.equal(base, busybox);
  });

  test("every printed id is an image that run takes, and that images hides", async () => {
    const built = await sandbox.ok(target("--builder=legacy"));
    const images = [...new Set(imagesOf(built))];
    assert.equal(images.length, 4);
    for (const image of images)
      assert.equal((await sandbox.ok(["run", "--rm", image, "echo", image])).stdout, `${image}\n`);
    const shown = (await sandbox.ok(["images", "-q"])).stdout;
    const all = (await sandbox.ok(["images", "-q", "-a"])).stdout;
    for (const image of images) assert.ok(all.includes(image), image);
    assert.equal(shown.trim().split("\n").length, 2);
  });

  test("a second run uses the cache, --no-cache does not, DOCKER_BUILDKIT=0 is docker's way to ask for it", async () => {
    const again = await sandbox.ok(target(), { env: { DOCKER_BUILDKIT: "0", BUILDKIT_PROGRESS: "plain" } });
    assert.match(
      again.stdout,
      new RegExp(`Step 2/6 : RUN echo "base"\n ---> Using cache\n ---> ${id}\nStep 3/6`),
    );
    assert.equal(again.stdout.match(/Using cache/g)?.length, 3);
    assert.doesNotMatch(again.stdout, /Running in/);
    const forced = await sandbox.ok(target("--no-cache", "--builder", "legacy"));
    assert.equal(forced.stdout.match(/Running in/g)?.length, 3);
    assert.doesNotMatch(forced.stdout, /Using cache/);
  });

  test("other ways to start a build do not ask for it", async () => {
    const env = { DOCKER_BUILDKIT: "0" };
    for (const args of [target("--builder", "default"), ["buildx", ...target()]]) {
      const { stdout, stderr } = await sandbox.ok(args, { env });
      assert.equal(stdout, "");
      assert.match(stderr, /stage1 +base +- +skipped: not needed by target stage2/);
    }
    const wrong = await sandbox.run(target(), { env: { DOCKER_BUILDKIT: "maybe" } });
    assert.match(wrong.stderr, /DOCKER_BUILDKIT environment variable expects boolean value/);
    const other = await sandbox.run(target("--builder", "mine"));
    assert.match(other.stderr, /--builder mine: there are default and legacy/);
  });

  test("a step that fails is told in the classic words, with its exit code; what was made before stays", async () => {
    sandbox.files("failing", {
      Dockerfile: "FROM busybox\nENV A=b\nRUN echo before && exit 7\nRUN echo never\n",
    });
    const failed = await sandbox.run(["build", "--builder", "legacy", "failing"]);
    assert.equal(failed.code, 7);
    assert.match(failed.stdout, new RegExp(`Step 3/4 : RUN .*\n ---> Running in ${id}\nbefore\n$`));
    assert.equal(
      failed.stderr,
      "The command '/bin/sh -c echo before && exit 7' returned a non-zero code: 7\n",
    );
    const [, last = ""] = imagesOf(failed);
    assert.equal((await sandbox.ok(["run", "--rm", last, "sh", "-c", "echo $A"])).stdout, "b\n");
  });

  test("ARG before FROM, scratch, triggers of a base, labels of the command line", async () => {
    sandbox.files("onbuild", { Dockerfile: "FROM busybox\nONBUILD RUN echo one\nONBUILD ENV TWO=2\n" });
    await sandbox.ok(["build", "-q", "-t", "parent", "onbuild"]);
    sandbox.files("child", {
      Dockerfile:
        'ARG BASE=parent\nFROM $BASE AS a\nFROM scratch\nCOPY --from=a /bin/busybox /sh\nCMD ["/sh"]\n',
    });
    const built = await sandbox.ok(["build", "--builder", "legacy", "--label", "who=me", "child"]);
    assert.match(
      built.stdout,
      new RegExp(
        `Step 1/6 : ARG BASE=parent
Step 2/6 : FROM \\$BASE AS a
# Executing 2 build triggers
 ---> Running in ${id}
one
Removing intermediate container ${id}
 ---> ${id}
Step 3/6 : FROM scratch
 ---> 
Step 4/6 : COPY --from=a /bin/busybox /sh
 ---> ${id}
Step 5/6 : CMD \\["/sh"\\]
 ---> ${id}
Step 6/6 : LABEL who=me
 ---> ${id}
Successfully built ${id}
`,
      ),
    );
    const [image] = JSON.parse((await sandbox.ok(["inspect", builtBy(built) ?? ""])).stdout);
    assert.deepEqual(image.Config.Labels, { who: "me" });
    const [, , afterCopy = ""] = imagesOf(built);
    const [before] = JSON.parse((await sandbox.ok(["inspect", imagesOf(built)[1] ?? ""])).stdout);
    assert.equal(before.Config.Labels, undefined);
    assert.notEqual(afterCopy, "");
  });

  test("both modes give the same root filesystem, each in a store of its own", async () => {
    sandbox.files("same", {
      "a/b": "text\n",
      Dockerfile: `FROM busybox AS tools
RUN mkdir -p /out/d && echo made > /out/d/f && chmod 4750 /out/d/f && chown 12:34 /out/d && ln -s f /out/d/l
FROM busybox AS other
RUN rm /bin/vi && echo other > /etc/other
FROM busybox
WORKDIR /w
COPY --from=tools /out /out
COPY a a
RUN rm -rf /tmp && rm /bin/vi && mkdir /tmp && echo hi >> /etc/passwd
`,
    });
    const other = join(sandbox.directory, "other-store");
    await sandbox.ok(["bootstrap", "--root", other, "busybox"]);
    const epoch = ["--build-arg", "SOURCE_DATE_EPOCH=1700000000"];
    await sandbox.ok(["build", ...epoch, "--builder", "legacy", "-o", "type=tar,dest=legacy.tar", "same"]);
    await sandbox.ok(["build", ...epoch, "--root", other, "-o", "type=tar,dest=normal.tar", "same"]);
    const [legacy, normal] = ["legacy.tar", "normal.tar"].map((name) =>
      readFileSync(join(sandbox.directory, name)),
    );
    assert.ok(legacy !== undefined && normal !== undefined && legacy.length > 1_000_000);
    assert.ok(legacy.equals(normal));
    const quiet = (flags: string[]) => sandbox.ok(["build", ...epoch, "-q", ...flags, "same"]);
    assert.equal((await quiet(["--builder", "legacy"])).stdout, (await quiet([])).stdout);
  });

  test("an archive on standard output has it for itself", async () => {
    const { stdout, stderr } = await sandbox.ok(target("--builder", "legacy", "-o", "-"));
    assert.equal(stdout.slice(257, 262), "ustar");
    assert.match(stderr, /^Step 6\/6 : RUN echo "stage2"$/m);
  });

  test("a base that comes from a registry gets its name, and its id is an image too", async () => {
    const registry = await startRegistry();
    try {
      const name = `${registry.host}/team/base:1`;
      await sandbox.ok(["tag", "busybox", name]);
      await sandbox.ok(["push", name]);
      await sandbox.ok(["rmi", name]);
      const other = ["--root", join(sandbox.directory, "pulling-store")];
      sandbox.files("pulled", { Dockerfile: `FROM ${name}\nCMD ["echo", "pulled"]\n` });
      const built = await sandbox.ok(["build", ...other, "--builder", "legacy", "pulled"]);
      const [base = "", last = ""] = imagesOf(built);
      assert.equal((await sandbox.ok(["images", ...other, "-q", name])).stdout, `${base}\n`);
      assert.equal((await sandbox.ok(["run", "--rm", ...other, base, "echo", "base"])).stdout, "base\n");
      assert.equal((await sandbox.ok(["run", "--rm", ...other, last])).stdout, "pulled\n");
    } finally {
      await registry.stop();
    }
  });

  test("images for several platforms are refused", async () => {
    const failed = await sandbox.run(
      target("--builder", "legacy", "--platform", "linux/amd64,linux/arm64", "-o", "type=oci,dest=x.tar"),
    );
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /the classic builder makes images for one platform/);
  });

  test("prune takes the images of steps away, and the next build makes them again from the cache", async () => {
    const before = imagesOf(await sandbox.ok(target("--builder", "legacy", "-t", "team/two:1")));
    await sandbox.ok(["image", "prune", "--force"]);
    const names = (await sandbox.ok(["images", "-a"])).stdout;
    assert.doesNotMatch(names, /<none>/);
    const again = await sandbox.ok(target("--builder", "legacy"));
    assert.deepEqual(imagesOf(again), before);
    assert.equal(again.stdout.match(/Using cache/g)?.length, 3);
    assert.equal((await sandbox.ok(["fsck"])).stdout, "Nothing is wrong.\n");
  });
});
