import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { checkout, createSandbox, isRoot } from "./sandbox.ts";

const sandbox = createSandbox("examples");
const examples = join(checkout, "examples");

function blobs(): string[] {
  return readdirSync(join(sandbox.store, "blobs", "sha256")).sort();
}

describe("examples", { skip: isRoot ? false : "RUN needs root" }, () => {
  before(async () => {
    await sandbox.ok(["bootstrap", "debian:bookworm-slim"]);
    await sandbox.ok(["bootstrap", "debian:bookworm-slim", "--include", "golang-go", "--name", "golang:1"]);
  });

  test("hello: one file in the final image, by name and by number", async () => {
    for (const file of ["Dockerfile", "by-number.Dockerfile"]) {
      const dockerfile = join(examples, "hello", file);
      const built = await sandbox.ok(["build", "-t", "hello", "-f", dockerfile, join(examples, "hello")]);
      assert.match(built.stderr, /golang/);
      const ran = await sandbox.ok(["run", "--rm", "hello"]);
      assert.match(ran.stdout, /^Hello from an image with one file in it, on linux\/(amd64|arm64)\n$/);
    }
    const history = await sandbox.ok(["history", "hello"]);
    assert.match(history.stdout, /COPY \/bin\/hello \/bin\/hello/);
  });

  test("hello again: every step is cached, the image id is the same, no blob is written", async () => {
    const args = ["build", "-t", "hello", "--progress", "plain", join(examples, "hello")];
    const first = await sandbox.ok([...args, "--iidfile", join(sandbox.directory, "first")]);
    const before = blobs();
    const second = await sandbox.ok([...args, "--iidfile", join(sandbox.directory, "second")]);
    assert.equal(
      readFileSync(join(sandbox.directory, "second"), "utf8"),
      readFileSync(join(sandbox.directory, "first"), "utf8"),
      first.stderr,
    );
    assert.deepEqual(blobs(), before);
    const steps = second.stderr.match(/^#\d+ \[(?!internal).*\n#\d+ .*$/gm) ?? [];
    assert.ok(steps.length >= 5, second.stderr);
    for (const step of steps) assert.match(step, /\n#\d+ CACHED$/);
  });

  test("stages: the target stage2 needs base, and never runs stage1", async () => {
    const context = join(examples, "stages");
    const built = await sandbox.ok([
      "build",
      "-t",
      "stage2",
      "--target",
      "stage2",
      "--progress",
      "plain",
      context,
    ]);
    assert.match(built.stderr, /RUN echo "made in base"/);
    assert.match(built.stderr, /RUN echo "made in stage2"/);
    assert.doesNotMatch(built.stderr, /RUN echo "made in stage1"/);
    assert.match(built.stderr, /stage1.*skipped.*not needed/);
    const ran = await sandbox.ok(["run", "--rm", "stage2"]);
    assert.equal(ran.stdout, "made in base\nmade in stage2\n");
  });

  test("a skipped stage costs nothing: its image is not looked up, its context is not read", async () => {
    const context = sandbox.files("skipped", {
      Dockerfile: `FROM 127.0.0.1:9/not/there AS far
RUN echo never
FROM scratch AS copies
COPY not-there.txt /
COPY --from=127.0.0.1:9/not/there /a /b
FROM debian:bookworm-slim AS wanted
RUN echo wanted > /wanted
`,
    });
    const built = await sandbox.ok(["build", "--progress", "plain", "--target", "wanted", context]);
    assert.doesNotMatch(built.stderr, /127\.0\.0\.1:9.*\n#|load build context|not-there/);
    assert.match(built.stderr, /far .*skipped: not needed by target wanted/);
    assert.match(built.stderr, /copies .*skipped: not needed by target wanted/);
  });

  test("plan says the same before anything is built", async () => {
    const context = join(examples, "stages");
    const text = await sandbox.ok(["plan", "--target", "stage2", context], {
      env: { STAGEWRIGHT_ROOT: "/nonexistent" },
    });
    assert.match(text.stdout, /stage1.*skipped/);
    const json = JSON.parse(
      (await sandbox.ok(["plan", "--target", "stage2", "--format", "json", context])).stdout,
    );
    assert.deepEqual(
      json.stages.map((stage: { name: string; needed: boolean }) => [stage.name, stage.needed]),
      [
        ["base", true],
        ["stage1", false],
        ["stage2", true],
      ],
    );
    assert.ok(!existsSync("/nonexistent"));
  });
});
