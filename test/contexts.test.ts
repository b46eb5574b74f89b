import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type GitServer, gitIn, startGitServer } from "./git-server.ts";
import { createSandbox, finished, type RunOptions, tool } from "./sandbox.ts";

const sandbox = createSandbox("contexts");
const files = new Map<string, Uint8Array>();
const server = createServer((request, response) => {
  const content = files.get(request.url!);
  if (content === undefined) response.writeHead(404).end();
  else response.end(content);
});
let url = "";
let repositories: GitServer;
let tar: Buffer;

const dockerfile = "FROM scratch\nCOPY hello.txt dir /\n";

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const app = sandbox.files("app", {
    Dockerfile: dockerfile,
    "other.Dockerfile": "FROM scratch\nCOPY hello.txt /other.txt\n",
    "hello.txt": "hello\n",
    "dir/inner.txt": "inner\n",
    ".dockerignore": "dir\n",
  });
  tar = Buffer.from(await tool("sh", ["-c", `tar -C ${app} --exclude=.git -cf - . | base64 -w0`]), "base64");
  await gitIn(app, ["init", "-q"]);
  await gitIn(app, ["add", "."]);
  await gitIn(app, ["commit", "-qm", "one"]);
  const root = join(sandbox.directory, "git");
  mkdirSync(root);
  await tool("git", ["clone", "-q", "--bare", app, join(root, "app.git")]);
  repositories = await startGitServer({ root });
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await repositories?.close();
});

/** Builds into a directory and returns the files at its top. */
async function build(args: readonly string[], options?: RunOptions): Promise<string[]> {
  const out = join(sandbox.directory, "out");
  rmSync(out, { recursive: true, force: true });
  await sandbox.ok(["build", "--progress=plain", "-o", out, ...args], options);
  return readdirSync(out).sort();
}

function built(path: string): string {
  return readFileSync(join(sandbox.directory, "out", path), "utf8");
}

async function fails(args: readonly string[], options?: RunOptions): Promise<string> {
  const output = await sandbox.run(["build", "--progress=plain", ...args], options);
  assert.equal(output.code, 1, output.stderr);
  return output.stderr;
}

test("a tar on standard input, however it is compressed; its Dockerfile by -f", async () => {
  const forms: [string, Uint8Array][] = [
    ["plain", tar],
    ["gzip", gzipSync(tar)],
    ["zstd", zstdCompressSync(tar)],
  ];
  for (const program of ["xz", "bzip2"]) {
    const packed = await tool("sh", ["-c", `base64 -d | ${program} -c | base64 -w0`], {
      input: tar.toString("base64"),
    });
    forms.push([program, Buffer.from(packed, "base64")]);
  }
  for (const [name, input] of forms)
    assert.deepEqual(await build(["-"], { input }), ["hello.txt", "inner.txt"], name);
  assert.deepEqual(await build(["-f", "other.Dockerfile", "-"], { input: tar }), ["other.txt"]);
  const again = await sandbox.ok(["build", "--progress=plain", "-"], { input: tar });
  assert.match(again.stderr, /CACHED/);
});

test("a Dockerfile on standard input: without files, or with those of a directory", async () => {
  const generated = "FROM scratch\nCOPY <<EOF /made\ntext\nEOF\n";
  assert.deepEqual(await build(["-"], { input: generated }), ["made"]);
  assert.match(await fails(["-"], { input: "FROM scratch\nCOPY hello.txt /\n" }), /"\/hello.txt": not found/);
  const app = join(sandbox.directory, "app");
  assert.deepEqual(await build(["-f", "-", app], { input: "FROM scratch\nCOPY hello.txt /x\n" }), ["x"]);
  const ignored = await fails(["-f", "-", app], { input: "FROM scratch\nCOPY dir /x\n" });
  assert.match(ignored, /excluded by line 1 of \.dockerignore/);
  assert.match(await fails(["-f", "x", "-"], { input: generated }), /ambiguous Dockerfile source/);
  assert.match(
    await fails(["-f", "-", "-"], { input: "" }),
    /can't use stdin for both build context and dockerfile/,
  );
  assert.match(
    await fails(["-"], { input: "FORM scratch\n" }),
    /Dockerfile:1[\s\S]*unknown instruction: FORM/,
  );
});

test("hostile and broken tars on standard input", async () => {
  const climbing = await tool("sh", [
    "-c",
    "cd /tmp && tar -P --transform 's,^,../../,' -cf - -C / etc/hostname | base64 -w0",
  ]);
  assert.match(
    await fails(["-"], { input: Buffer.from(climbing, "base64") }),
    /the tar of the build context: /,
  );
  const cut = await fails(["-"], { input: gzipSync(tar).subarray(0, 200) });
  assert.match(cut, /damaged|ends too early|unexpected end/);
  assert.deepEqual(readdirSync(join(sandbox.store, "ingest")), []);
});

test("waiting for standard input ends with Ctrl-C", { timeout: 60_000 }, async () => {
  const child = sandbox.start(["build", "--progress=plain", "-"]);
  const out: Buffer[] = [];
  child.stderr!.on("data", (data) => out.push(data));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  try {
    child.stdin!.write("FROM scratch\n");
    await new Promise((resolve) => setTimeout(resolve, 700));
    child.kill("SIGINT");
    assert.equal(await ended, 130, Buffer.concat(out).toString());
  } finally {
    child.kill("SIGKILL");
  }
});

test("a git repository as context: ref, directory, -f inside, on standard input and on this disk", async () => {
  const app = `${repositories.url}/app.git`;
  assert.deepEqual(await build([app]), ["hello.txt", "inner.txt"]);
  assert.deepEqual(await build(["-f", "other.Dockerfile", `${app}#main`]), ["other.txt"]);
  assert.deepEqual(await build(["-f", "-", `${app}#main:dir`], { input: "FROM scratch\nCOPY . /\n" }), [
    "inner.txt",
  ]);
  const kept = ["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", "-f", "-", app];
  assert.deepEqual(await build(kept, { input: "FROM scratch\nCOPY .git/HEAD /\n" }), ["HEAD"]);
  const own = join(sandbox.files("own", { D: "FROM scratch\nCOPY hello.txt /own\n" }), "D");
  assert.deepEqual(await build(["-f", own, app]), ["own"]);
  assert.match(await fails([`${app}#gone`]), /does not contain ref gone/);
  assert.match(await fails([`${app}#main:dir`]), /failed to read dockerfile: open Dockerfile: no such file/);
  const again = await sandbox.ok(["build", "--progress=plain", app]);
  assert.match(again.stderr, /CACHED \[internal\] load git source|load git source[\s\S]*CACHED/);
});

test("a URL as context: a tar, or a Dockerfile alone; -f behind a URL", async () => {
  files.set("/app.tar.gz", gzipSync(tar));
  files.set("/Dockerfile", Buffer.from("FROM scratch\nCOPY <<EOF /made\ntext\nEOF\n"));
  files.set("/bad", Buffer.from("FORM scratch\n"));
  assert.deepEqual(await build([`${url}/app.tar.gz`]), ["hello.txt", "inner.txt"]);
  assert.deepEqual(await build(["-f", "other.Dockerfile", `${url}/app.tar.gz`]), ["other.txt"]);
  assert.deepEqual(await build([`${url}/Dockerfile`]), ["made"]);
  assert.deepEqual(await build(["-f", `${url}/Dockerfile`, join(sandbox.directory, "app")]), ["made"]);
  assert.match(await fails([`${url}/bad`]), /bad:1[\s\S]*unknown instruction: FORM/);
  assert.match(await fails([`${url}/none`]), /none: invalid response status 404/);
});

test("what is no context is told as docker does", async () => {
  assert.match(await fails(["nowhere"]), /unable to prepare context: path "nowhere" not found/);
  for (const context of ["-", "https://example.com/a.git"]) {
    const output = await sandbox.run(["plan", context]);
    assert.match(output.stderr, /a plan is made of a directory of this machine, not of /);
  }
});

test("named contexts: directory with its .dockerignore, tar, git, URL, stage", async () => {
  const context = sandbox.files("named", {
    Dockerfile: "FROM scratch AS base\nCOPY hello.txt /one\nFROM scratch\nCOPY --from=lib / /\n",
  });
  const lib = sandbox.files("lib", { "a.txt": "a", "b.txt": "b", ".dockerignore": "b.txt\n.dockerignore\n" });
  const with_ = (value: string) => ["--build-context", `lib=${value}`, context];
  assert.deepEqual(await build(with_(lib)), ["a.txt"]);
  const archive = join(sandbox.directory, "lib.tar.gz");
  await tool("tar", ["-C", lib, "-czf", archive, "a.txt", "b.txt"]);
  assert.deepEqual(await build(with_(archive)), ["a.txt", "b.txt"]);
  assert.deepEqual(await build(with_(`${repositories.url}/app.git#main:dir`)), ["inner.txt"]);
  files.set("/plain.txt", Buffer.from("plain"));
  assert.deepEqual(await build(with_(`${url}/plain.txt`)), ["context"]);
  assert.equal(built("context"), "plain");
  assert.match(
    await fails(with_("nowhere")),
    /failed to get build context lib: stat nowhere: no such file or directory/,
  );
  assert.match(await fails(with_("ftp://x/y")), /build context lib: ftp: is no kind of context/);
  assert.deepEqual(
    await build([
      "--build-context",
      "unused=ssh://git@127.0.0.1:1/x.git",
      "--build-context",
      `lib=${lib}`,
      context,
    ]),
    ["a.txt"],
  );
});

test("named contexts: an image of an OCI layout, by tag and by digest, in place of an image and a stage", async () => {
  const image = sandbox.files("image", {
    Dockerfile: "FROM scratch\nCOPY f /f\nENV A=1\n",
    f: "from layout",
  });
  const layout = join(sandbox.directory, "layout");
  mkdirSync(layout);
  await sandbox.ok(["build", "-t", "thing:v1", "-o", `type=oci,dest=${layout}.tar`, image]);
  await tool("tar", ["-C", layout, "-xf", `${layout}.tar`]);
  const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8"));
  const [{ digest }] = index.manifests;
  index.manifests[0].annotations = { "org.opencontainers.image.ref.name": "v1" };
  writeFileSync(join(layout, "index.json"), JSON.stringify(index));
  const context = sandbox.files("layout-user", {
    Dockerfile: "FROM alpine:3 AS base\nFROM scratch AS stage\nFROM base\nCOPY --from=stage /f /g\n",
  });
  for (const place of [`${layout}:v1`, `${layout}@${digest}`]) {
    const contexts = ["alpine:3", "stage"].flatMap((name) => [
      "--build-context",
      `${name}=oci-layout://${place}`,
    ]);
    assert.deepEqual(await build([...contexts, context]), ["f", "g"], place);
  }
  const told = await fails([
    "--build-context",
    `alpine:3=oci-layout://${layout}`,
    "--build-context",
    `stage=${image}`,
    context,
  ]);
  assert.match(told, /has no image called "latest"[\s\S]*it has v1/);
  assert.match(
    await fails(["--build-context", "alpine:3=oci-layout://nowhere", context]),
    /nowhere is no OCI layout/,
  );
});

test("named contexts: Docker's own store is asked only when it is named, and tells when it is not there", async () => {
  const context = sandbox.files("daemon", { Dockerfile: "FROM busybox\n" });
  const env = { DOCKER_HOST: `unix://${join(sandbox.directory, "no.sock")}` };
  const told = await fails(["--build-context", "busybox=docker-daemon:busybox", context], { env });
  assert.match(told, /cannot connect to the Docker engine at .*no\.sock/);
});

test("--call reads the Dockerfile of every context", async () => {
  const output = await sandbox.ok(["build", "--call=targets", `${repositories.url}/app.git`]);
  assert.match(output.stdout, /default/);
  const lines = await finished(sandbox.start(["build", "--check", "-"]), "FROM scratch as x\n");
  assert.match(lines.stdout + lines.stderr, /FromAsCasing/);
});
