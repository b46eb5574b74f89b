import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { openContentStore } from "../content/index.ts";
import { BuildError, hostPlatform } from "../core/index.ts";
import { openLayerStore } from "../layer/index.ts";
import { openNameStore } from "../names/index.ts";
import { bootstrap, bootstrapCache, bootstrapLabels } from "./bootstrap.ts";
import { runTool } from "./bootstrap-process.ts";
import { describeRecipe, recipeKey, recipeOf } from "./bootstrap-recipe.ts";

const directory = mkdtempSync(join(tmpdir(), "bootstrap-"));
after(() => rmSync(directory, { recursive: true, force: true }));

function openStores(name: string) {
  const content = openContentStore(join(directory, name));
  return { content, layers: openLayerStore(content), names: openNameStore(content.root) };
}

function installed(tool: string): boolean {
  return (process.env.PATH ?? "").split(":").some((path) => existsSync(join(path, tool)));
}

function code(expected: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof BuildError, String(error));
    assert.match(error.message, message);
    assert.equal(error.code, expected);
    return true;
  };
}

describe("recipes", () => {
  test("are read from names", () => {
    const debian = { kind: "debian", slim: false, variant: "minbase", include: [] };
    assert.deepEqual(recipeOf("debian:bookworm"), { ...debian, suite: "bookworm" });
    assert.deepEqual(recipeOf("debian:12-slim"), { ...debian, suite: "bookworm", slim: true });
    assert.deepEqual(recipeOf("debian:slim", { suite: "trixie" }), {
      ...debian,
      suite: "trixie",
      slim: true,
    });
    assert.deepEqual(recipeOf("docker.io/library/busybox"), { kind: "busybox" });
    const recipe = recipeOf("debian:trixie-slim", { include: ["libc6-dev", "gcc", "gcc"] });
    assert.equal(describeRecipe(recipe), "debian trixie minbase slim with gcc libc6-dev");
  });
  test("are refused when they cannot be made", () => {
    assert.throws(() => recipeOf("alpine"), code("invalid-argument", /cannot be bootstrapped/));
    assert.throws(
      () => recipeOf("busybox", { include: ["gcc"] }),
      code("invalid-argument", /single program/),
    );
    for (const name of ["-o=x", "?essential", "gcc;id", "gcc libc6", "../x", ""])
      assert.throws(
        () => recipeOf("debian:sid", { include: [name] }),
        code("invalid-argument", /not the name of a Debian package/),
      );
    assert.throws(() => recipeOf("debian:1.2"), code("invalid-argument", /not the name of a Debian suite/));
  });
  test("have keys that follow packages and sources", () => {
    const one = recipeOf("debian:bookworm", { include: ["a1", "b1"] });
    assert.equal(recipeKey(one, ["x"]), recipeKey(recipeOf("debian:12", { include: ["b1", "a1"] }), ["x"]));
    assert.notEqual(recipeKey(one, ["x"]), recipeKey(one, ["y"]));
    assert.notEqual(recipeKey(one, ["x"]), recipeKey(recipeOf("debian:bookworm"), ["x"]));
  });
  test("are cached where the environment says", () => {
    assert.equal(bootstrapCache({ XDG_CACHE_HOME: "/x" }), "/x/stagewright/bootstrap");
    assert.notEqual(bootstrapCache({ XDG_CACHE_HOME: "relative" }), "relative/stagewright/bootstrap");
  });
});

describe("tools", () => {
  test("a missing one is named with its package", async () => {
    const empty = { PATH: directory };
    await assert.rejects(runTool("mmdebstrap", [], { env: empty }), (error: BuildError) => {
      assert.equal(error.code, "failed-precondition");
      assert.match(error.hint ?? "", /apt-get install mmdebstrap/);
      return true;
    });
  });
  test("what they say decides the error", async () => {
    const say = (text: string) => runTool("sh", ["-c", `echo '${text}' >&2; exit 3`]);
    await assert.rejects(
      say("E: Unable to locate package nope"),
      code("not-found", /Unable to locate package nope/),
    );
    await assert.rejects(
      say("E: Failed to fetch x  Temporary failure resolving y"),
      code("unavailable", /Temporary/),
    );
    await assert.rejects(
      say("E: Unable to locate package nope\nE: setup failed: E: apt-get …\nE: mmdebstrap failed to run"),
      { message: "sh failed (3): Unable to locate package nope" },
    );
    await assert.rejects(say("something"), code("unknown", /sh failed \(3\): something/));
  });
  test("are ended with all their children when the signal aborts", async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 200);
    await assert.rejects(runTool("sh", ["-c", "sleep 54321 & wait"], { signal: stop.signal }), {
      name: "AbortError",
    });
  });
});

const withoutApt = ["apt-get", "dpkg-deb"].every(installed) ? false : "needs apt";

describe("busybox", { skip: withoutApt }, () => {
  test("is made, named, labelled, and taken from the cache the next time", async () => {
    const cacheDirectory = join(directory, "cache");
    const first = await bootstrap("busybox", openStores("busybox"), { cacheDirectory });
    assert.equal(first.cached, false);
    assert.equal(first.record.name, "docker.io/library/busybox:latest");
    assert.deepEqual(first.image.config.config?.Cmd, ["sh"]);
    assert.equal(first.image.config.architecture, hostPlatform().architecture);
    assert.match(
      first.image.config.config?.Labels?.[bootstrapLabels.notice] ?? "",
      /stand-in for busybox:latest/,
    );
    assert.deepEqual(
      readdirSync(cacheDirectory).filter((name) => !/\.tar(\.digest)?$/.test(name)),
      [],
    );

    const stores = openStores("again");
    const again = await bootstrap("busybox", stores, { cacheDirectory });
    assert.equal(again.cached, true);
    assert.equal(again.image.id, first.image.id);
    const remade = await bootstrap("busybox", stores, { cacheDirectory, refresh: true });
    assert.equal(remade.cached, false);
    assert.equal(remade.image.id, first.image.id, "the same package gives the same bytes");

    const other = await bootstrap("busybox", stores, { cacheDirectory, name: "alpine:3.20" });
    assert.equal(other.record.name, "docker.io/library/alpine:3.20");
    const root = unpack(stores.content.path(other.image.config.rootfs.diff_ids[0]!), "busybox-root");
    assert.equal(execFileSync(join(root, "bin/busybox"), ["echo", "hi"]).toString(), "hi\n");
  });
});

const withoutDebian =
  withoutApt ||
  (process.getuid?.() === 0 ? false : "needs root") ||
  (installed("mmdebstrap") ? false : "needs mmdebstrap");

describe("debian", { skip: withoutDebian }, () => {
  test("has a gcc that compiles when it is included", async () => {
    const stores = openStores("debian");
    const made = await bootstrap("debian:bookworm-slim", stores, {
      include: ["gcc", "libc6-dev"],
      name: "gcc:test",
    });
    assert.equal(made.recipe, "debian bookworm minbase slim with gcc libc6-dev");
    const root = unpack(stores.content.path(made.image.config.rootfs.diff_ids[0]!), "debian-root");
    writeFileSync(
      join(root, "tmp/hello.c"),
      '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n',
    );
    const run = (...command: string[]) => execFileSync("chroot", [root, ...command]).toString();
    run("gcc", "-static", "-O", "-o", "/tmp/hello", "/tmp/hello.c");
    assert.equal(run("/tmp/hello"), "hello\n");
    assert.equal(run("awk", 'BEGIN { print "awk" }'), "awk\n", "alternatives are set up");
    assert.match(run("dpkg-query", "--status", "apt"), /install ok installed/);
    assert.match(run("apt-get", "--version"), /^apt /);
    for (const path of ["etc/hostname", "etc/resolv.conf", "usr/share/man/man1"])
      assert.ok(!existsSync(join(root, path)), path);
    const lists = readdirSync(join(root, "var/lib/apt/lists"));
    assert.deepEqual(
      lists.filter((name) => name.includes("Packages")),
      [],
    );
    assert.ok(existsSync(join(root, "usr/share/doc/libc6/copyright")), "licences stay");
  });

  test("says which package there is not", async () => {
    const cacheDirectory = join(directory, "failing");
    await assert.rejects(
      bootstrap("debian:bookworm", openStores("failing"), {
        include: ["no-such-package-here"],
        cacheDirectory,
        variant: "essential",
      }),
      code("not-found", /no-such-package-here/),
    );
    assert.deepEqual(readdirSync(cacheDirectory), []);
  });
});

function unpack(tar: string, name: string): string {
  const root = join(directory, name);
  mkdirSync(root);
  execFileSync("tar", ["-xf", tar, "-C", root]);
  return root;
}
