import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { lentMarker, lentNpmSettings } from "./npm-settings.ts";
import { checkout, createSandbox, isRoot, type Output } from "./sandbox.ts";
import { answerOf, lendProxies, missingPrograms, type StandIns, sizeOf, startStandIns } from "./stand-ins.ts";

const skip = !isRoot ? "RUN needs root" : missingPrograms.length > 0 && `needs ${missingPrograms.join(", ")}`;

describe("examples in Node", { skip }, () => {
  const sandbox = createSandbox("examples-node");
  const app = join(checkout, "examples", "node-app");
  let standIns: StandIns;
  let secrets: string[];
  before(async () => {
    standIns = await startStandIns(sandbox);
    secrets = lentNpmSettings(sandbox.directory);
  });
  after(() => standIns?.registry.stop());

  const attempt = (context: string, ...args: string[]): Promise<Output> =>
    sandbox.run(["build", "--progress", "plain", ...lendProxies, ...secrets, ...args, context], standIns);
  const build = async (context: string, ...args: string[]): Promise<string> => {
    const { code, stderr } = await attempt(context, ...args);
    assert.equal(code, 0, stderr);
    return stderr;
  };
  const inside = async (image: string, script: string) =>
    (await sandbox.ok(["run", "--rm", "--entrypoint", "sh", image, "-c", script])).stdout;
  const packages = (image: string) =>
    inside(image, "cd node_modules && ls -d */package.json | cut -d / -f 1");

  test("single-stage: compiler, sources and development dependencies are in the image", async () => {
    await build(app, "-t", "single", "-f", join(app, "single-stage.Dockerfile"));
    assert.equal(await packages("single"), "mustache\ntypescript\nundici-types\n");
    assert.match(await inside("single", "ls . src"), /tsconfig\.json[\s\S]*server\.ts/);
  });

  test("two-stage: what is built and what it needs is copied, the rest is left behind", async () => {
    const told = await build(app, "-t", "two", "-f", join(app, "two-stage.Dockerfile"));
    assert.match(told, /two:latest: .*left behind: \d{3}MB/);
    assert.equal(await inside("two", "ls"), "dist\nnode_modules\npackage.json\n");
    assert.equal(await packages("two"), "mustache\n");
    const share = (await sizeOf(sandbox, "two")) / (await sizeOf(sandbox, "single"));
    assert.ok(share < 0.4, `${share}`);
  });

  test("deps, builder, test, runtime: the test stage is not built for the runtime image", async () => {
    const told = await build(app, "-t", "app");
    assert.match(told, /test +builder +- +skipped: not needed by target runtime/);
    assert.doesNotMatch(told, /RUN npm test/);
    assert.equal(await packages("app"), "mustache\n");
    assert.equal(await inside("app", "id -u"), "1000\n");
    const [{ Config }] = JSON.parse((await sandbox.ok(["inspect", "app"])).stdout);
    assert.deepEqual([Config.User, Config.ExposedPorts], ["node", { "3000/tcp": {} }]);
  });

  test("each named stage is a target", async () => {
    assert.match(await build(app, "--target", "test", "-t", "app:test"), /1 passing|# pass 1|pass 1/);
    for (const [stage, installed] of [
      ["deps", "mustache\ntypescript\nundici-types\n"],
      ["builder", "mustache\ntypescript\nundici-types\n"],
      ["production-deps", "mustache\n"],
    ] as const) {
      await build(app, "--target", stage, "-t", `app:${stage}`);
      assert.equal(await packages(`app:${stage}`), installed);
    }
    await build(app, "--target", "runtime", "-t", "app:runtime");
    const [one, two] = JSON.parse((await sandbox.ok(["inspect", "app:runtime", "app"])).stdout);
    assert.equal(one.Id, two.Id, "the last stage is the target anyway");
  });

  test("a changed source leaves the installed dependencies in the cache; a failing test ends --target test", async () => {
    const changed = join(sandbox.directory, "changed");
    cpSync(app, changed, { recursive: true });
    const page = join(changed, "src", "page.ts");
    writeFileSync(page, readFileSync(page, "utf8").replace("{{title}}", "{{{title}}}"));
    const { code, stderr } = await attempt(changed, "--target", "test");
    assert.notEqual(code, 0);
    assert.match(stderr, /\[deps \d\/\d\] RUN .*npm ci\n#\d+ CACHED/);
    assert.match(stderr, /not ok|✖|failing/);
    await build(changed);
  });

  test("each image answers on a published port, the runtime image as an ordinary user", async () => {
    for (const [image, user] of [
      ["single", 0],
      ["two", 0],
      ["app", 1000],
    ] as const)
      assert.match(
        await answerOf(sandbox, image, 3000, "/list"),
        new RegExp(`<li>user ${user}</li><li>&#x2F;list</li>`),
      );
  });

  test("no layer, no history and no file of the store has the settings that npm was lent", async () => {
    for (const image of ["single", "two", "app", "app:deps"]) {
      await sandbox.ok(["save", "-o", join(sandbox.directory, "saved.tar"), image]);
      assert.ok(!holds(join(sandbox.directory, "saved.tar")), image);
    }
    const { status, stdout } = spawnSync("grep", ["-rlaF", lentMarker, sandbox.store], { encoding: "utf8" });
    assert.deepEqual([status, stdout], [1, ""]);
  });
});

function holds(file: string): boolean {
  return readFileSync(file).includes(lentMarker);
}
