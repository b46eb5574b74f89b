import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createSandbox } from "./sandbox.ts";

const sandbox = createSandbox("options");
let outputs = 0;

/** Builds into a directory and returns what is in it: path → content. */
async function built(...args: string[]): Promise<Record<string, string>> {
  const out = join(sandbox.directory, `out-${outputs++}`);
  await sandbox.ok(["build", "--progress", "plain", "-o", out, ...args]);
  const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(out.length + 1), readFileSync(path, "utf8")];
    }),
  );
}

/** Steps by name, without number and stage count, that a plain progress calls cached or done. */
async function steps(...args: string[]): Promise<{ cached: string[]; done: string[] }> {
  const { stderr } = await sandbox.ok(["build", "--progress", "plain", ...args]);
  const named = new Map(
    [...stderr.matchAll(/^#(\d+) \[(?!internal)(.*)$/gm)].map(([, id, name]) => [id, name]),
  );
  const ending = (word: string) =>
    [...stderr.matchAll(new RegExp(`^#(\\d+) ${word}`, "gm"))]
      .flatMap(([, id]) => named.get(id) ?? [])
      .sort();
  return { cached: ending("CACHED"), done: ending("DONE") };
}

async function inspected(name: string): Promise<{ Config: Record<string, unknown>; Id: string }> {
  return JSON.parse((await sandbox.ok(["inspect", name])).stdout)[0];
}

describe("build options", () => {
  test("--target by name, in any case, and by number; without it the last stage", async () => {
    const context = sandbox.files("target", {
      Dockerfile:
        "FROM scratch AS First\nCOPY a /\nFROM scratch AS second\nCOPY b /\nFROM first AS third\nCOPY b /\n",
      a: "a",
      b: "b",
    });
    assert.deepEqual(await built("--target", "first", context), { a: "a" });
    assert.deepEqual(await built("--target", "FIRST", context), { a: "a" });
    assert.deepEqual(await built("--target", "1", context), { b: "b" });
    assert.deepEqual(await built(context), { a: "a", b: "b" });
    const unknown = await sandbox.run(["build", "--target", "secnod", context]);
    assert.notEqual(unknown.code, 0);
    assert.match(unknown.stderr, /target stage "secnod" could not be found[\s\S]*did you mean second\?/);
  });

  test("--build-arg: global and in a stage, from the environment, over defaults; unused ones are told", async () => {
    const context = sandbox.files("arg", {
      Dockerfile: `ARG WHERE=one
FROM scratch AS one
FROM scratch AS two
FROM \${WHERE}
ARG NAME=default
ARG FROM_ENVIRONMENT
COPY file /\${NAME}-\${FROM_ENVIRONMENT:-none}
`,
      file: "x",
    });
    assert.deepEqual(await built(context), { "default-none": "x" });
    assert.deepEqual(await built("--build-arg", "NAME=given", context), { "given-none": "x" });
    assert.deepEqual(await built("--build-arg", "NAME=", context), { "-none": "x" });
    const out = join(sandbox.directory, "environment");
    const args = [
      "--build-arg",
      "FROM_ENVIRONMENT",
      "--build-arg",
      "NOBODY=asks",
      "--build-arg",
      "WHERE=two",
    ];
    const { stderr } = await sandbox.ok(["build", "-o", out, ...args, context], {
      env: { FROM_ENVIRONMENT: "seen" },
    });
    assert.deepEqual(readdirSync(out), ["default-seen"]);
    assert.match(stderr, /NOBODY/);
  });

  test("--label adds to those of the Dockerfile and wins over them", async () => {
    const context = sandbox.files("label", { Dockerfile: "FROM scratch\nLABEL a=file b=file\n" });
    const flags = ["b=option", "c=x=y", "PATH"].flatMap((label) => ["--label", label]);
    await sandbox.ok(["build", "-t", "labelled", ...flags, context]);
    const expected = { a: "file", b: "option", c: "x=y", PATH: "" };
    assert.deepEqual((await inspected("labelled")).Config.Labels, expected);
  });

  test("--build-context takes a name with its place", async () => {
    const context = sandbox.files("lone", { Dockerfile: "FROM scratch\n" });
    const { code, stderr } = await sandbox.run(["build", "--build-context", "other", context]);
    assert.equal(code, 1);
    assert.match(stderr, /invalid context value: other, expected key=value/);
  });

  test("--no-cache runs everything; --no-cache-filter the named stages and what stands on them", async () => {
    const context = sandbox.files("filter", {
      Dockerfile: `FROM scratch AS one
COPY a /one
FROM scratch AS two
COPY a /two
FROM scratch
COPY --from=one /one /
COPY --from=two /two /
`,
      a: "a",
    });
    const all = ["one 1/1] COPY a /one", "two 1/1] COPY a /two"];
    const last = ["stage-2 1/2] COPY --from=one /one /", "stage-2 2/2] COPY --from=two /two /"];
    assert.deepEqual((await steps(context)).done, [...all, ...last].sort());
    assert.deepEqual((await steps(context)).cached, [...all, ...last].sort());
    assert.deepEqual((await steps("--no-cache", context)).done, [...all, ...last].sort());
    const filtered = await steps("--no-cache-filter", "two", context);
    assert.ok(filtered.done.includes("two 1/1] COPY a /two"), JSON.stringify(filtered));
    assert.ok(!filtered.done.includes("one 1/1] COPY a /one"), JSON.stringify(filtered));
  });

  test("--build-context: a directory by the name that FROM and --from use, in place of a stage too", async () => {
    const context = sandbox.files("named", {
      Dockerfile: `FROM scratch AS replaced
COPY absent /
FROM scratch
COPY --from=other /sub/file /other
COPY --from=replaced /sub/file /replaced
`,
    });
    const other = sandbox.files("other", { "sub/file": "from the directory", "sub/not": "asked for" });
    const args = ["--build-context", `other=${other}`, "--build-context", `replaced=${other}`];
    assert.deepEqual(await built(...args, context), {
      other: "from the directory",
      replaced: "from the directory",
    });
    const missing = await sandbox.run(["build", "--build-context", "other=/nonexistent", context]);
    assert.match(
      missing.stderr,
      /failed to get build context other: stat \/nonexistent: no such file or directory/,
    );
  });

  test("--build-context: an image of the local store in place of another image", async () => {
    const image = sandbox.files("image", {
      Dockerfile: "FROM scratch\nCOPY file /\nENV A=b\n",
      file: "stand-in",
    });
    await sandbox.ok(["build", "-t", "stand-in:1", image]);
    const context = sandbox.files("of-image", {
      Dockerfile: "FROM registry.invalid/team/base:2 AS base\nFROM base\nCOPY --from=alpine /file /again\n",
    });
    const named = ["registry.invalid/team/base:2", "alpine"].flatMap((name) => [
      "--build-context",
      `${name}=docker-image://stand-in:1`,
    ]);
    assert.deepEqual(await built(...named, context), { file: "stand-in", again: "stand-in" });
    await sandbox.ok(["build", "-t", "on-stand-in", ...named, context]);
    assert.deepEqual((await inspected("on-stand-in")).Config.Env, (await inspected("stand-in:1")).Config.Env);
  });

  test("-f: below the context, outside of it, relative to where the caller is", async () => {
    const context = sandbox.files("file", { file: "x", "docker/below": "FROM scratch\nCOPY file /below\n" });
    const outside = sandbox.files("outside", { "My.Dockerfile": "FROM scratch\nCOPY file /outside\n" });
    assert.deepEqual(await built("-f", join(context, "docker/below"), context), { below: "x" });
    assert.deepEqual(await built("-f", join(outside, "My.Dockerfile"), context), { outside: "x" });
    const out = join(sandbox.directory, "relative");
    await sandbox.ok(["build", "-f", "../outside/My.Dockerfile", "-o", out, "."], { cwd: context });
    assert.deepEqual(readdirSync(out), ["outside"]);
    const missing = await sandbox.run(["build", "-f", "absent", context]);
    assert.notEqual(missing.code, 0);
    assert.match(missing.stderr, /absent: no such file or directory/);
  });

  test("<Dockerfile>.dockerignore stands beside the Dockerfile and replaces .dockerignore", async () => {
    const context = sandbox.files("ignore", {
      Dockerfile: "FROM scratch\nCOPY . /\n",
      ".dockerignore": "a\n**/*ocker*\n",
      a: "a",
      b: "b",
    });
    const outside = sandbox.files("ignore-outside", {
      "Special.Dockerfile": "FROM scratch\nCOPY . /\n",
      "Special.Dockerfile.dockerignore": "b\n**/*ocker*\n",
    });
    assert.deepEqual(await built(context), { b: "b" });
    assert.deepEqual(await built("-f", join(outside, "Special.Dockerfile"), context), { a: "a" });
    const refused = sandbox.files("ignore-refused", {
      Dockerfile: "FROM scratch\nCOPY a /\n",
      ".dockerignore": "# c\na\n",
      a: "",
    });
    const { stderr, code } = await sandbox.run(["build", refused]);
    assert.notEqual(code, 0);
    assert.match(stderr, /Dockerfile:2\n[\s\S]*"\/a": not found[\s\S]*line 2 of \.dockerignore/);
  });
});
