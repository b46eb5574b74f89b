import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { checkout, createSandbox, isRoot } from "./sandbox.ts";
import { lendProxies, missingPrograms, type StandIns, sizeOf, startStandIns } from "./stand-ins.ts";

const skip = !isRoot ? "RUN needs root" : missingPrograms.length > 0 && `needs ${missingPrograms.join(", ")}`;

describe("examples of stages", { skip }, () => {
  const sandbox = createSandbox("examples-stages");
  const example = (name: string) => join(checkout, "examples", name);
  let standIns: StandIns;
  before(async () => {
    standIns = await startStandIns(sandbox);
  });
  after(() => standIns?.registry.stop());

  const build = async (...args: string[]) =>
    (await sandbox.ok(["build", "--progress", "plain", ...lendProxies, ...args], standIns)).stderr;
  const run = async (...args: string[]) => (await sandbox.ok(["run", "--rm", ...args])).stdout;

  test("C++: two stages go on from the builder, the compiler is installed once", async () => {
    const told = await build("-t", "both", example("cpp"));
    assert.equal(told.match(/^#\d+ \[.*\] RUN apt-get/gm)?.length, 1, told);
    assert.match(await run("both"), /^Built by build1 with g\+\+ \d+\nBuilt by build2 with g\+\+ \d+\n$/);
  });

  test("C++: each named stage is a target, without the other one", async () => {
    for (const [stage, other] of [
      ["build1", "build2"],
      ["build2", "build1"],
    ] as const) {
      const told = await build("--target", stage, "-t", stage, example("cpp"));
      assert.match(told, new RegExp(`^ +${other} +builder +- +skipped: not needed by target ${stage}$`, "m"));
      assert.match(await run(stage, "/binary"), new RegExp(`^Built by ${stage} `));
    }
    await build("--target", "builder", "-t", "builder", example("cpp"));
    assert.match(await run("builder", "g++", "--version"), /^g\+\+/);
    assert.ok((await sizeOf(sandbox, "both")) * 10 < (await sizeOf(sandbox, "build1")));
  });

  test("external image: one file of an image that is pulled for it", async () => {
    const told = await build("-t", "with-config", example("external-image"));
    assert.match(told, /docker\.io\/library\/nginx:latest@sha256:/);
    assert.match(await run("with-config"), /worker_processes/);
    assert.ok((await sizeOf(sandbox, "with-config")) < 5e6);
  });

  test("external image: by the name of an image of the local store, or by the id of one", async () => {
    await build("-t", "made-here", example("external-image"));
    const [{ Id }] = JSON.parse((await sandbox.ok(["inspect", "made-here"])).stdout);
    for (const [image, folder] of [
      ["made-here", "by-name"],
      [Id, "by-id"],
    ] as const) {
      const context = sandbox.files(folder, {
        Dockerfile: `FROM scratch\nCOPY --from=${image} /nginx.conf /etc/\n`,
      });
      const args = ["build", "-o", `type=tar,dest=${join(sandbox.directory, `${folder}.tar`)}`, context];
      assert.equal((await sandbox.run(args)).code, 0, `${image}, and no registry is asked`);
    }
  });

  test("variants: testing, debug and production come from one Dockerfile", async () => {
    const said: Record<string, string> = {};
    for (const stage of ["testing", "debug", "production"]) {
      await build("--target", stage, "-t", `greet:${stage}`, example("variants"));
      said[stage] = await run(`greet:${stage}`);
    }
    assert.deepEqual(said, {
      testing: "Hello, Test Person\n",
      debug: "Hello, Test Person\n",
      production: "Hello, Ada\nHello, Grace\n",
    });
    const { stderr } = await sandbox.ok(["run", "--rm", "greet:debug"]);
    assert.match(stderr, /^\+ echo 'Hello, Test Person'$/m);
    assert.equal(await run("greet:production", "ls", "/app"), "greet\nnames.txt\n");
  });

  test("ubuntu: base and stage2 are processed, stage1 is skipped", async () => {
    const context = sandbox.files("ubuntu", {
      Dockerfile:
        'FROM ubuntu AS base\nRUN echo "base"\nFROM base AS stage1\nRUN echo "stage1"\nFROM base AS stage2\nRUN echo "stage2"\n',
    });
    const told = await build("--no-cache", "-f", join(context, "Dockerfile"), "--target", "stage2", context);
    const steps = [...told.matchAll(/^#\d+ \[(base|stage\d) \d\/\d\] (FROM|RUN)/gm)].map(
      ([, stage, what]) => [stage, what],
    );
    assert.deepEqual(steps, [
      ["base", "FROM"],
      ["base", "RUN"],
      ["stage2", "RUN"],
    ]);
  });
});
