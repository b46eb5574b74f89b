import assert from "node:assert/strict";
import { cpSync, readdirSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { checkout, createSandbox, isRoot, tool } from "./sandbox.ts";
import { answerOf, missingPrograms, type StandIns, sizeOf, startStandIns } from "./stand-ins.ts";

const skip = !isRoot ? "RUN needs root" : missingPrograms.length > 0 && `needs ${missingPrograms.join(", ")}`;

describe("examples in Go", { skip }, () => {
  const sandbox = createSandbox("examples-go");
  const examples = join(checkout, "examples");
  const counter = join(examples, "href-counter");
  const server = join(examples, "web-server");
  let standIns: StandIns;
  let site: Server;
  let page: string;
  before(async () => {
    standIns = await startStandIns(sandbox);
    site = createServer((_, response) =>
      response.end(`<a href="/one">1</a> <A class=x HREF='two?a&amp;b'>2</A> <a href=three>3</a>
        <a href="https://elsewhere.example/">4</a> <a href="mailto:me@example.com">5</a> <abbr href="/no">`),
    );
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    page = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
  });
  after(() => {
    standIns?.registry.stop();
    site?.close();
  });

  const build = (...args: string[]) => sandbox.ok(["build", "--progress", "plain", ...args], standIns);
  const counts = async (image: string) =>
    (await sandbox.ok(["run", "--rm", "--network", "host", image, page])).stdout;
  const program = async (image: string) =>
    (await sandbox.ok(["run", "--rm", "--entrypoint", "sha256sum", image, "/root/app"])).stdout;
  const expected = () => `{"page":"${page}","internal":3,"external":1}\n`;

  test("href-counter with a named stage: the bases come through the mirror, the program counts links", async () => {
    const built = await build("-t", "href-counter", counter);
    assert.match(built.stderr, /\[builder 1\/\d\] FROM docker\.io\/library\/golang:1@sha256:/);
    assert.match(built.stderr, /left behind: \d{3}MB/);
    assert.equal(await counts("href-counter"), expected());
    const [{ Config }] = JSON.parse((await sandbox.ok(["inspect", "href-counter"])).stdout);
    assert.match(Config.Labels["stagewright.bootstrap.notice"], /^stand-in for alpine/);
  });

  test("href-counter: the Go toolchain and the sources are left behind", async () => {
    const listed = await sandbox.ok(["run", "--rm", "--entrypoint", "find", "href-counter", "/", "-xdev"]);
    assert.match(listed.stdout, /^\/root\/app$/m);
    assert.match(listed.stdout, /^\/etc\/ssl\/certs\/ca-certificates\.crt$/m);
    assert.doesNotMatch(listed.stdout, /\.go$|\/src\/href-counter|^\/usr\/lib\/go/m);
    await build("--target", "builder", "-t", "href-counter:builder", counter);
    const small = await sizeOf(sandbox, "href-counter");
    assert.ok(small * 20 < (await sizeOf(sandbox, "href-counter:builder")), `${small}`);
  });

  test("href-counter --target builder: the stage is an image to look around in", async () => {
    await build("--target", "builder", "-t", "href-counter:builder", counter);
    const command = ["run", "--rm", "href-counter:builder", "sh", "-c", "go version && ls"];
    assert.match((await sandbox.ok(command)).stdout, /^go version go1[\s\S]*\napp\n[\s\S]*main\.go\n/);
  });

  test("href-counter with --from=0: the same program", async () => {
    await build("-t", "href-counter:number", "-f", join(counter, "by-number.Dockerfile"), counter);
    assert.equal(await counts("href-counter:number"), expected());
    assert.equal(await program("href-counter:number"), await program("href-counter"));
  });

  test("href-counter by the builder pattern: a script, two Dockerfiles, a container; the same program", async () => {
    const copy = join(sandbox.directory, "href-counter");
    cpSync(counter, copy, { recursive: true });
    const before = readdirSync(join(copy, "builder-pattern"));
    const printed = await tool(join(copy, "builder-pattern", "build.sh"), [], standIns);
    assert.match(printed, /^Building href-counter:build\n[\s\S]*^Building href-counter:latest$/m);
    assert.deepEqual(readdirSync(join(copy, "builder-pattern")), before);
    assert.equal(await counts("href-counter"), expected());
    assert.equal(await program("href-counter"), await program("href-counter:number"));
    const images = (await sandbox.ok(["images"])).stdout;
    assert.match(images, /^href-counter +build .*\d{3}MB$/m, "both images take up room");
    assert.match(images, /^href-counter +latest .* \d\.\d+MB$/m);
    assert.doesNotMatch((await sandbox.ok(["container", "ls", "--all"])).stdout, /extract/);
  });

  test("web server: answers on a published port, from an image a fraction of the single-stage one", async () => {
    await build("-t", "webserver", server);
    await build("-t", "webserver:single", "-f", join(server, "single-stage.Dockerfile"), server);
    const small = await sizeOf(sandbox, "webserver");
    assert.ok(small < 15e6, `${small}`);
    assert.ok(small * 20 < (await sizeOf(sandbox, "webserver:single")));
    for (const image of ["webserver", "webserver:single"])
      assert.equal(await answerOf(sandbox, image, 8080, "/hello"), "Greetings from /hello\n");
  });

  test("the same build again: every step comes from the cache", async () => {
    const again = await build("-t", "webserver", server);
    const steps = again.stderr.match(/^#\d+ \[(?!internal).*\n#\d+ .*$/gm) ?? [];
    assert.ok(steps.length >= 5, again.stderr);
    for (const step of steps) assert.match(step, /\n#\d+ CACHED$/);
  });
});
