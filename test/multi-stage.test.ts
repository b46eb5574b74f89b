import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { startRegistry, startRegistryProxy } from "../src/registry/testing/index.ts";
import { createSandbox, isRoot } from "./sandbox.ts";

/** What docs/multi-stage.md says, one small build each. */
describe("multi-stage builds", { skip: isRoot ? false : "RUN needs root" }, () => {
  const sandbox = createSandbox("multi-stage");
  before(async () => {
    await sandbox.ok(["bootstrap", "busybox"]);
  });

  let contexts = 0;
  /** Builds a Dockerfile as `app`, unless told otherwise, and returns what the build says. */
  const build = async (Dockerfile: string, ...args: string[]) => {
    const context = sandbox.files(`context-${++contexts}`, { Dockerfile, "here.txt": "from the context\n" });
    return (await sandbox.ok(["build", "--progress", "plain", "-t", "app", ...args, context])).stderr;
  };
  const run = async (...command: string[]) => (await sandbox.ok(["run", "--rm", "app", ...command])).stdout;
  const layersOf = async (image: string): Promise<string[]> =>
    JSON.parse((await sandbox.ok(["inspect", image])).stdout)[0].RootFS.Layers;
  const sizeOf = async (image: string): Promise<number> =>
    JSON.parse((await sandbox.ok(["inspect", image])).stdout)[0].Size;
  /** Steps of stages that ran, and those that the cache had. */
  const steps = (told: string) =>
    [...told.matchAll(/^#(\d+) \[(\S+ \d+\/\d+)\] (?!FROM).*$/gm)].map(([, number, step]) => ({
      step,
      cached: new RegExp(`^#${number} CACHED$`, "m").test(told),
    }));

  test("each FROM begins a stage of its own: another base, and nothing of the stage before", async () => {
    await build(`FROM busybox AS one
ENV LEFT=behind
WORKDIR /work
RUN echo one > /one
FROM busybox
RUN echo "\${LEFT:-nothing} $PWD $(ls /one 2>/dev/null)" > /seen
`);
    assert.equal(await run("cat", "/seen"), "nothing / \n");
  });

  test("COPY --from takes the files and directories that it names, and leaves everything else behind", async () => {
    await build(`FROM busybox AS builder
RUN mkdir -p /out/sub && echo a > /out/a && echo b > /out/sub/b && echo c > /c && echo tool > /bin/tool
FROM scratch AS result
COPY --from=builder /c /kept/c
COPY --from=builder /out/ /kept/
FROM busybox
COPY --from=result / /result/
`);
    assert.equal(
      await run("sh", "-c", "cd /result && find . -type f | sort"),
      "./kept/a\n./kept/c\n./kept/sub/b\n",
    );
  });

  test("without --from, COPY takes from the context, even where a stage has a file of that name", async () => {
    await build(`FROM busybox AS builder
RUN echo from the stage > /here.txt
FROM busybox
COPY here.txt /one
COPY --from=builder here.txt /two
`);
    assert.equal(await run("cat", "/one", "/two"), "from the context\nfrom the stage\n");
  });

  test("several stages may be copied from, and a stage of two stages before", async () => {
    await build(`FROM busybox AS first
RUN echo 1 > /first
FROM busybox AS second
RUN echo 2 > /second
FROM busybox
COPY --from=first /first /
COPY --from=second /second /
`);
    assert.equal(await run("cat", "/first", "/second"), "1\n2\n");
  });

  test("only what is behind a stage: a later one, or the stage itself, cannot be copied from", async () => {
    const context = sandbox.files("later", {
      Dockerfile: "FROM busybox AS a\nCOPY --from=b /x /\nFROM busybox AS b\nRUN touch /x\n",
    });
    const { code, stderr } = await sandbox.run(["build", "--target", "a", context], {
      env: { STAGEWRIGHT_CONFIG: "/dev/null", HTTPS_PROXY: "http://127.0.0.1:9" },
    });
    assert.equal(code, 1);
    assert.match(stderr, /Dockerfile:2/);
  });

  test("stages have numbers from 0, and names in any case", async () => {
    await build(`FROM busybox as Builder
RUN echo made > /made
FROM busybox
COPY --from=0 /made /by-number
COPY --from=builder /made /by-name
`);
    assert.equal(await run("cat", "/by-number", "/by-name"), "made\nmade\n");
  });

  test("in another order of stages a name is still found, a number means another stage", async () => {
    const binary = "FROM busybox AS build\nRUN echo the program > /file\n";
    const docs = "FROM busybox AS docs\nRUN echo the manual > /file\n";
    const last = "FROM busybox\nCOPY --from=build /file /by-name\nCOPY --from=0 /file /by-number\n";
    await build(binary + docs + last);
    assert.equal(await run("cat", "/by-name", "/by-number"), "the program\nthe program\n");
    await build(docs + binary + last);
    assert.equal(await run("cat", "/by-name", "/by-number"), "the program\nthe manual\n");
  });

  test("FROM an earlier stage goes on where it ended: files, environment, working directory", async () => {
    await build(`FROM busybox AS base
ENV KEPT=yes
WORKDIR /work
RUN echo base > base.txt
FROM base
RUN echo "$KEPT $PWD $(cat base.txt)" > /seen
`);
    assert.equal(await run("cat", "/seen"), "yes /work base\n");
  });

  test("each instruction that writes files adds a layer, and the image has those of its own stage alone", async () => {
    await build(`FROM busybox AS builder
RUN echo 1 > /one
RUN echo 2 > /two
RUN cat /one /two > /both
FROM busybox
COPY --from=builder /both /both
`);
    const base = await layersOf("busybox");
    const layers = await layersOf("app");
    assert.deepEqual(layers.slice(0, base.length), base);
    assert.equal(layers.length, base.length + 1);
    await build("FROM busybox\nRUN echo 1 > /one\nRUN echo 2 > /two\nRUN cat /one /two > /both\n");
    assert.equal((await layersOf("app")).length, base.length + 3);
  });

  test("what a later instruction deletes still weighs; in one instruction, or in a stage, it does not", async () => {
    const make = "head -c 5000000 /dev/urandom > /big && wc -c < /big > /small";
    const base = await sizeOf("busybox");
    const sizes: number[] = [];
    for (const dockerfile of [
      `FROM busybox\nRUN ${make}\nRUN rm /big\n`,
      `FROM busybox\nRUN ${make} \\\n && rm /big\n`,
      `FROM busybox AS builder\nRUN ${make}\nFROM busybox\nCOPY --from=builder /small /small\n`,
    ]) {
      await build(dockerfile);
      assert.equal((await run("cat", "/small")).trim(), "5000000");
      sizes.push((await sizeOf("app")) - base);
    }
    const [deleted = 0, joined = 0, staged = 0] = sizes;
    assert.ok(deleted >= 5_000_000 && joined < 10_000 && staged < 10_000, String(sizes));
  });

  test("a line that lost its backslash ends the instruction, and the next one is an error with its line", async () => {
    const context = sandbox.files("backslash", {
      Dockerfile: "FROM busybox\nRUN echo one > /one \\\n && echo two > /two\n && echo three > /three\n",
    });
    const { code, stderr } = await sandbox.run(["build", context]);
    assert.equal(code, 1);
    assert.match(stderr, /Dockerfile:4[\s\S]*unknown instruction: &&/);
  });

  test("the steps of earlier stages come from the cache when only a later one changed", async () => {
    const dockerfile = (text: string) => `FROM busybox AS builder
RUN echo tools > /tools
RUN cat /tools > /made
FROM busybox
COPY --from=builder /made /made
RUN echo ${text} > /text
`;
    await build(dockerfile("first"));
    const told = await build(dockerfile("second"));
    assert.deepEqual(steps(told), [
      { step: "builder 2/3", cached: true },
      { step: "builder 3/3", cached: true },
      { step: "stage-1 2/3", cached: true },
      { step: "stage-1 3/3", cached: false },
    ]);
    assert.equal(await run("cat", "/made", "/text"), "tools\nsecond\n");
  });

  test("a build of many stages leaves one image, with no name for what came before", async () => {
    await build("FROM busybox AS one\nRUN echo 1 > /1\nFROM one AS two\nRUN echo 2 > /2\n", "-t", "alone");
    const images = (await sandbox.ok(["images", "-a", "--format", "{{.Repository}}"])).stdout.split("\n");
    assert.equal(images.filter((name) => name === "alone").length, 1);
    assert.ok(!images.includes("one") && !images.includes("two"), images.join());
  });

  test("images and the end of a build tell the sizes of single-stage and multi-stage", async () => {
    const made = "RUN head -c 3000000 /dev/urandom > /tool && echo made > /made\n";
    await build(`FROM busybox\n${made}`, "-t", "my-app:single");
    const told = await build(
      `FROM busybox AS builder\n${made}FROM busybox\nCOPY --from=builder /made /\n`,
      "-t",
      "my-app:multi",
    );
    assert.match(told, /^ +builder +busybox +\d+(\.\d+)?MB$/m);
    assert.match(told, /^ +stage-1 +busybox +\d+(\.\d+)?MB +the image$/m);
    assert.match(told, /left behind: 3(\.\d+)?MB/);
    const { stdout } = await sandbox.ok(["images", "my-app"]);
    const size = (tag: string) =>
      Number(new RegExp(`^my-app +${tag} .* ([\\d.]+)MB$`, "m").exec(stdout)?.[1]);
    assert.ok(size("single") > size("multi") + 2.9, stdout);
  });

  test("a debug stage beside a lean one: each target has what the other lacks", async () => {
    const dockerfile = `FROM busybox AS build
RUN echo program > /program && echo symbols > /program.debug
FROM busybox AS debug
COPY --from=build /program /program.debug /
FROM busybox AS production
COPY --from=build /program /
`;
    await build(dockerfile, "--target", "debug");
    assert.equal(await run("sh", "-c", "ls /program*"), "/program\n/program.debug\n");
    await build(dockerfile);
    assert.equal(await run("sh", "-c", "ls /program*"), "/program\n");
  });

  test("a user that the last stage makes owns what is copied for it, and runs the program", async () => {
    await build(`FROM busybox AS builder
RUN echo program > /program
FROM busybox
RUN echo nodejs:x:1001: >> /etc/group && echo nodejs:x:1001:1001::/:/bin/sh >> /etc/passwd
COPY --from=builder --chown=nodejs:nodejs /program /
USER nodejs
CMD ["sh", "-c", "id -un && stat -c %U:%G /program"]
`);
    assert.equal(await run(), "nodejs\nnodejs:nodejs\n");
  });

  test("stages that do not need each other run at the same time", async () => {
    // Each waits for the file of the other: one after the other they would never end.
    const meet = (mine: string, other: string) =>
      `RUN --mount=type=cache,id=meet,target=/meet touch /meet/${mine}; i=0; until [ -e /meet/${other} ]; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done; echo ${mine} > /${mine}\n`;
    await build(
      `FROM busybox AS left\n${meet("left", "right")}FROM busybox AS right\n${meet("right", "left")}FROM busybox\nCOPY --from=left /left /\nCOPY --from=right /right /\n`,
    );
    assert.equal(await run("cat", "/left", "/right"), "left\nright\n");
  });

  test("stages that another one is copied from are told by plan, before anything runs", async () => {
    const context = sandbox.files("plan", {
      Dockerfile:
        "FROM busybox AS a\nRUN touch /a\nFROM busybox AS b\nRUN touch /b\nFROM scratch\nCOPY --from=a /a /\n",
    });
    const { stdout } = await sandbox.ok(["plan", "--format", "json", context]);
    const { stages } = JSON.parse(stdout) as { stages: { name?: string; needed: boolean }[] };
    assert.deepEqual(
      stages.map(({ needed }) => needed),
      [true, false, true],
    );
  });

  const registryMissing = !existsSync("/usr/bin/docker-registry") && "needs docker-registry";
  test("after a change, a push sends and a pull fetches the layer that changed, and no other", {
    skip: registryMissing,
  }, async () => {
    const registry = await startRegistry();
    const proxy = await startRegistryProxy(registry.host);
    const name = `${proxy.host}/app`;
    const elsewhere = { env: { STAGEWRIGHT_ROOT: join(sandbox.directory, "elsewhere") } };
    /** Blobs that the requests of this method were about, and forgets the requests. */
    const blobs = (method: string) =>
      proxy.requests.splice(0).filter((request) => request.method === method && /blobs/.test(request.path))
        .length;
    const made: { pushed: number; pulled: number }[] = [];
    try {
      for (const text of ["one", "two"]) {
        const dockerfile = `FROM busybox AS builder
RUN head -c 1000000 /dev/urandom > /tool; echo ${text} > /program
FROM busybox
RUN echo settings > /settings
COPY --from=builder /program /program
`;
        await build(dockerfile, "-t", name);
        await sandbox.ok(["push", name]);
        const pushed = blobs("PUT");
        await sandbox.ok(["pull", name], elsewhere);
        made.push({ pushed, pulled: blobs("GET") });
      }
      assert.deepEqual(
        made,
        [
          { pushed: 4, pulled: 4 },
          { pushed: 2, pulled: 2 },
        ],
        "all layers and a configuration, then one layer and a configuration",
      );
      assert.equal((await sandbox.ok(["run", "--rm", name, "cat", "/program"], elsewhere)).stdout, "two\n");
    } finally {
      await proxy.close();
      registry.stop();
    }
  });

  test("proxies are lent to RUN as build arguments, and no history has them", async () => {
    await build(
      'FROM busybox\nRUN test -n "$https_proxy" && echo there is a proxy > /seen\n',
      "--build-arg",
      "https_proxy=http://user:word@127.0.0.1:9",
    );
    assert.equal(await run("cat", "/seen"), "there is a proxy\n");
    const history = await sandbox.ok(["history", "--no-trunc", "app"]);
    assert.doesNotMatch(history.stdout + (await sandbox.ok(["inspect", "app"])).stdout, /user:word/);
  });

  test("--no-cache runs every step again, and the result is as good", async () => {
    const dockerfile = "FROM busybox AS base\nRUN echo base > /base\nFROM base\nRUN cat /base > /copy\n";
    await build(dockerfile);
    assert.ok(steps(await build(dockerfile)).every(({ cached }) => cached));
    assert.ok(steps(await build(dockerfile, "--no-cache")).every(({ cached }) => !cached));
    assert.equal(await run("cat", "/copy"), "base\n");
  });

  test("a stage written to a directory is no image at all", async () => {
    const dest = join(sandbox.directory, "out");
    const context = sandbox.files("export", {
      Dockerfile:
        "FROM busybox AS build\nRUN echo report > /report\nFROM scratch AS report\nCOPY --from=build /report /\n",
    });
    await sandbox.ok(["build", "--target", "report", "-o", dest, context]);
    assert.equal(readFileSync(join(dest, "report"), "utf8"), "report\n");
  });
});
