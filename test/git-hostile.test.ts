import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type GitServer, gitIn, startGitServer } from "./git-server.ts";
import { createSandbox, isRoot, tool } from "./sandbox.ts";
import { noneLeft, processesWith } from "./waiting.ts";

const sandbox = createSandbox("git-hostile");
const servers: Server[] = [];
let honest: GitServer;
let trusted = "";

before(async () => {
  const root = join(sandbox.directory, "git");
  mkdirSync(root);
  const work = sandbox.files("work", { "a.txt": "trusted\n" });
  await gitIn(work, ["init", "-q"]);
  await gitIn(work, ["add", "."]);
  await gitIn(work, ["commit", "-qm", "trusted"]);
  trusted = await gitIn(work, ["rev-parse", "HEAD"]);
  await tool("git", ["clone", "-q", "--bare", work, join(root, "app.git")]);
  writeFileSync(join(work, "a.txt"), "hostile\n");
  await gitIn(work, ["commit", "-qam", "hostile"]);
  await gitIn(work, ["tag", "-a", "v1", "-m", "v1"]);
  await tool("git", ["clone", "-q", "--bare", work, join(root, "copy.git")]);
  honest = await startGitServer({ root });
});
after(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await honest?.close();
});

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function build(line: string, ...more: string[]) {
  const context = sandbox.files("context", { Dockerfile: `FROM scratch\n${line}\n` });
  const out = join(sandbox.directory, "out");
  rmSync(out, { recursive: true, force: true });
  return { out, ...(await sandbox.run(["build", "--progress=plain", "-o", out, ...more, context])) };
}

/** The honest server, but for what `change` makes of its answers. */
function proxy(change: (body: string, request: IncomingMessage) => string): Promise<string> {
  return serve(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const headers = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => !/^(host|connection|content-length)$/.test(name)),
    );
    const answer = await fetch(honest.url + request.url, {
      method: request.method!,
      headers: headers as Record<string, string>,
      ...(parts.length === 0 ? {} : { body: Buffer.concat(parts) }),
    });
    const body = Buffer.from(await answer.arrayBuffer()).toString("latin1");
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type")! });
    response.end(Buffer.from(change(body, request), "latin1"));
  });
}

test("a server that says its tag means another repository's commit is not believed", async () => {
  const liar = await proxy((body) =>
    body.replace(/^(.* refs\/tags\/v1.*peeled:)[0-9a-f]{40}/m, `$1${trusted}`),
  );
  for (const line of [
    `ADD ${liar}/copy.git#v1 /`,
    `ADD --checksum=${trusted} ${liar}/copy.git#v1 /`,
    `ADD --keep-git-dir=true ${liar}/copy.git#v1 /`,
  ]) {
    const { code, stderr } = await build(line);
    assert.equal(code, 1, stderr);
    assert.match(stderr, new RegExp(`refs/tags/v1 is said to be commit ${trusted}, but is [0-9a-f]{40}`));
  }
  const { code, stderr, out } = await build(`ADD ${honest.url}/app.git#${trusted} /`);
  assert.equal(code, 0, stderr);
  assert.equal(readFileSync(join(out, "a.txt"), "utf8"), "trusted\n");
});

test("a token is for the host that it was given for, also when that leads elsewhere", async () => {
  const seen: (string | undefined)[] = [];
  const other = await proxy((body, request) => {
    seen.push(request.headers.authorization);
    return body;
  });
  const leading = await serve((request, response) => {
    response.writeHead(302, { location: other + request.url }).end();
  });
  const token = join(sandbox.files("secrets", { token: "elsewhere-token-5" }), "token");
  const line = `ADD ${leading}/app.git /`;
  const { code, stderr } = await build(line, "--secret", `id=GIT_AUTH_TOKEN,src=${token}`);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /the server leads elsewhere, where credentials are not sent/);
  assert.equal((await build(line)).code, 0);
  assert.ok(seen.length > 0);
  assert.deepEqual(
    seen.filter((one) => one !== undefined),
    [],
  );
});

test("a builder that is killed leaves no git behind", { timeout: 60_000 }, async () => {
  let asked = () => {};
  const request = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const silent = await serve((_, response) => {
    response.writeHead(200, { "content-type": "application/x-git-upload-pack-advertisement" });
    response.write("001e# service=git-upload-pack\n0000");
    asked();
  });
  const context = sandbox.files("context", { Dockerfile: `FROM scratch\nADD ${silent}/x.git /\n` });
  const builder = sandbox.start(["build", context]);
  const ended = new Promise((resolve) => builder.once("exit", resolve));
  try {
    await request;
  } finally {
    builder.kill("SIGKILL");
    await ended;
  }
  await noneLeft(() => processesWith(`${silent}/x.git`));
});

test("what a killed git left in a clone does not stand in the way", async () => {
  const line = (ref: string) => `ADD ${honest.url}/copy.git${ref} /`;
  const clones = join(sandbox.store, "remote", "git");
  const before = new Set(readdirSync(clones));
  assert.equal((await build(line("#v1"))).code, 0);
  const made = readdirSync(clones).find((name) => /^[0-9a-f]{64}$/.test(name) && !before.has(name));
  const clone = join(clones, made!);
  const names = (await tool("git", ["--git-dir", clone, "for-each-ref", "--format=%(refname)"])).trim();
  for (const name of names.split("\n")) writeFileSync(join(clone, `${name}.lock`), "");
  for (const name of ["HEAD.lock", "config.lock", "objects/pack/tmp_pack_Xy12z"])
    writeFileSync(join(clone, name), "");
  const { code, stderr } = await build(line("?branch=main&submodules=0"));
  assert.equal(code, 0, stderr);
  const left = readdirSync(clone, { recursive: true }).map(String);
  assert.deepEqual(
    left.filter((name) => /\.lock$|tmp_/.test(name)),
    [],
  );
});

test("a clone that does not fit says so, and leaves its room to others", { skip: !isRoot }, async () => {
  const work = sandbox.files("large", {});
  writeFileSync(join(work, "large"), randomBytes(12 << 20));
  await gitIn(work, ["init", "-q"]);
  await gitIn(work, ["add", "."]);
  await gitIn(work, ["commit", "-qm", "large"]);
  await tool("git", ["clone", "-q", "--bare", work, join(sandbox.directory, "git/large.git")]);
  const small = join(sandbox.directory, "small");
  mkdirSync(small);
  await tool("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", small]);
  try {
    const root = join(small, "store");
    const tooLarge = await build(`ADD ${honest.url}/large.git /`, "--root", root);
    assert.equal(tooLarge.code, 1);
    assert.match(tooLarge.stderr, /ERROR: git \S+: no space left on device\nHint: make room/);
    const { code, stderr } = await build(`ADD ${honest.url}/app.git /`, "--root", root);
    assert.equal(code, 0, stderr);
  } finally {
    await tool("umount", [small]);
  }
});
