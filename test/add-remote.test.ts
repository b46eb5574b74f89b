import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { digestOf } from "../src/core/index.ts";
import { type GitServer, gitIn, startGitServer, startSshGitServer } from "./git-server.ts";
import { createSandbox, finished, isRoot, tool } from "./sandbox.ts";
import { noneLeft, processesWith } from "./waiting.ts";

const sandbox = createSandbox("add-remote");
const requests: { path: string; headers: IncomingMessage["headers"] }[] = [];
const answers = new Map<string, (request: IncomingMessage, response: ServerResponse) => void>();
const server = createServer((request, response) => {
  requests.push({ path: request.url!, headers: request.headers });
  const answer = answers.get(request.url!.split("?")[0]!);
  if (answer === undefined) response.writeHead(404).end("no");
  else answer(request, response);
});
let files = "";
let repositories: GitServer;
const commits: Record<string, string> = {};

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  files = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const root = join(sandbox.directory, "git");
  mkdirSync(root);
  await makeRepositories(root);
  repositories = await startGitServer({ root });
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await repositories?.close();
});

async function makeRepositories(root: string): Promise<void> {
  const library = sandbox.files("library", { "lib.txt": "library\n" });
  const work = sandbox.files("work", { "a.txt": "one\n", "sub/dir/b.txt": "b\n", "run.sh": "#!/bin/sh\n" });
  for (const directory of [library, work]) {
    await gitIn(directory, ["init", "-q"]);
    await gitIn(directory, ["add", "."]);
  }
  await gitIn(library, ["commit", "-qm", "library"]);
  await tool("git", ["clone", "-q", "--bare", library, join(root, "library.git")]);
  chmodSync(join(work, "run.sh"), 0o755);
  symlinkSync("sub/dir", join(work, "link"));
  await gitIn(work, ["add", "link"]);
  await gitIn(work, ["commit", "-qm", "one"], 1_600_000_000);
  commits.one = await gitIn(work, ["rev-parse", "HEAD"]);
  await gitIn(work, ["tag", "-a", "v1", "-m", "v1"]);
  await gitIn(work, ["branch", "feature/x"]);
  await gitIn(work, ["update-ref", "refs/pull/7/head", "HEAD"]);
  writeFileSync(join(work, "a.txt"), "two\n");
  await gitIn(work, ["submodule", "--quiet", "add", library, "deps/library"]);
  await gitIn(work, ["config", "-f", ".gitmodules", "submodule.deps/library.url", "../library.git"]);
  await gitIn(work, ["add", "."]);
  await gitIn(work, ["commit", "-qm", "two"], 1_650_000_000);
  commits.two = await gitIn(work, ["rev-parse", "HEAD"]);
  await tool("git", ["clone", "-q", "--mirror", work, join(root, "app.git")]);
}

/** Builds one ADD onto nothing and returns where its files lie. */
async function add(line: string, ...more: string[]): Promise<string> {
  const context = sandbox.files("context", { Dockerfile: `FROM scratch\n${line}\n` });
  const out = join(sandbox.directory, "out");
  rmSync(out, { recursive: true, force: true });
  await sandbox.ok(["build", "--progress=plain", "-o", out, ...more, context]);
  return out;
}

async function addFails(line: string): Promise<string> {
  const context = sandbox.files("context", { Dockerfile: `FROM scratch\n${line}\n` });
  const output = await sandbox.run(["build", "--progress=plain", context]);
  assert.equal(output.code, 1, output.stderr);
  return output.stderr;
}

test("a file of a server: its name, 0600, time and owner; asked for again with its tag", async () => {
  let content = "hello\n";
  answers.set("/dir/file.txt", (request, response) => {
    const etag = `"${content.length}"`;
    if (request.headers["if-none-match"] === etag) return void response.writeHead(304, { etag }).end();
    response.writeHead(200, { etag, "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT" }).end(content);
  });
  const url = `${files}/dir/file.txt?query=1`;
  const out = await add(`ADD ${url} /in/`);
  const stat = statSync(join(out, "in/file.txt"));
  assert.equal(readFileSync(join(out, "in/file.txt"), "utf8"), content);
  assert.equal(stat.mode & 0o7777, 0o600);
  assert.equal(stat.mtimeMs, Date.parse("2015-10-21T07:28:00Z"));
  const context = join(sandbox.directory, "context");
  requests.length = 0;
  const again = await sandbox.ok(["build", "--progress=plain", "--no-cache-filter=none", context]);
  assert.match(again.stderr, /CACHED/);
  assert.deepEqual(
    requests.map(({ headers }) => headers["if-none-match"]),
    ['"6"'],
  );
  content = "changed\n";
  const changed = await add(`ADD ${url} /in/`);
  assert.equal(readFileSync(join(changed, "in/file.txt"), "utf8"), content);
});

test("--checksum, --chmod and --chown; a file of a known digest is not asked for again", async () => {
  const content = Buffer.from("pinned");
  answers.set("/pinned", (_, response) => void response.end(content));
  const line = `ADD --checksum=${digestOf(content)} --chmod=755 --chown=3:4 ${files}/pinned /p`;
  const out = await add(line);
  assert.equal(statSync(join(out, "p")).mode & 0o7777, 0o755);
  requests.length = 0;
  await add(line);
  assert.deepEqual(requests, []);
  const wrong = `sha256:${"0".repeat(64)}`;
  const told = await addFails(`ADD --checksum=${wrong} ${files}/pinned /p`);
  assert.match(
    told,
    new RegExp(`digest mismatch for ${files}/pinned: ${digestOf(content)} \\(expected: ${wrong}\\)`),
  );
});

test("archives of a server are unpacked when --unpack says so", async () => {
  const source = sandbox.files("tarred", { "x/y.txt": "y" });
  const tar = join(sandbox.directory, "t.tar");
  await tool("tar", ["-C", source, "-cf", tar, "."]);
  answers.set("/t.tar.gz", (_, response) => void response.end(gzipSync(readFileSync(tar))));
  assert.deepEqual(readdirSync(await add(`ADD ${files}/t.tar.gz /`)), ["t.tar.gz"]);
  assert.equal(
    readFileSync(join(await add(`ADD --unpack=true ${files}/t.tar.gz /`), "x/y.txt"), "utf8"),
    "y",
  );
});

test("redirects are followed, but to http alone; credentials stay with their host and out of everything kept", async () => {
  answers.set("/moved", (_, response) => void response.writeHead(302, { location: "/target" }).end());
  answers.set("/target", (_, response) => void response.end("there"));
  answers.set(
    "/evil",
    (_, response) => void response.writeHead(302, { location: "file:///etc/passwd" }).end(),
  );
  answers.set("/loop", (_, response) => void response.writeHead(302, { location: "/loop" }).end());
  answers.set("/away", (_, response) => {
    response.writeHead(302, { location: `${files.replace("127.0.0.1", "localhost")}/target` }).end();
  });
  const withLogin = files.replace("http://", "http://me:hunter2secret@");
  requests.length = 0;
  assert.equal(readFileSync(join(await add(`ADD ${withLogin}/moved /f`), "f"), "utf8"), "there");
  assert.ok(requests.every(({ headers }) => headers.authorization?.startsWith("Basic ")));
  requests.length = 0;
  const output = await sandbox.ok([
    "build",
    "--progress=plain",
    "-t",
    "login",
    sandbox.files("login", { Dockerfile: `FROM scratch\nADD ${withLogin}/away /f\n` }),
  ]);
  assert.deepEqual(
    requests.map(({ path, headers }) => [path, headers.authorization !== undefined]),
    [
      ["/away", true],
      ["/target", false],
    ],
  );
  assert.doesNotMatch(output.stderr, /hunter2secret/);
  const found = await sandbox.ok(["history", "login", "--no-trunc"]);
  assert.doesNotMatch(found.stdout, /hunter2secret/);
  const grep = await finished(sandbox.start(["inspect", "login"]));
  assert.doesNotMatch(grep.stdout, /hunter2secret/);
  assert.equal((await searched(sandbox.store, "hunter2secret")).trim(), "");
  const shown = await addFails(`ADD ${withLogin}/none /f`);
  assert.match(shown, /ADD http:\/\/me:xxxxx@[\s\S]*404/);
  assert.doesNotMatch(shown, /hunter2secret/);
  const planned = await sandbox.ok(["plan", join(sandbox.directory, "context")]);
  assert.doesNotMatch(planned.stdout, /hunter2secret/);
  assert.match(await addFails(`ADD ${files}/evil /f`), /redirected to file:, which is not followed/);
  assert.match(await addFails(`ADD ${files}/loop /f`), /more than 10 redirects/);
});

async function searched(directory: string, text: string): Promise<string> {
  return tool("sh", ["-c", 'grep -rl -- "$1" "$0" || true', directory, text]);
}

test("what a server refuses is told with status and URL; a body that ends early is no file", async () => {
  answers.set("/private", (_, response) => void response.writeHead(403).end());
  answers.set("/short", (_, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("only this");
    setTimeout(() => response.destroy(), 20);
  });
  const missing = await addFails(`ADD ${files}/missing /f`);
  assert.match(missing, new RegExp(`${files}/missing: invalid response status 404`));
  assert.match(missing, /Dockerfile:2/);
  assert.match(
    await addFails(`ADD ${files}/private /f`),
    /invalid response status 403[\s\S]*HTTP_AUTH_HEADER/,
  );
  assert.match(await addFails(`ADD ${files}/short /f`), /short: /);
  const raw = (path: string, answer: string) => answers.set(path, ({ socket }) => void socket.end(answer));
  raw("/switch", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
  raw("/headers", `HTTP/1.1 200 OK\r\n${"name: value\r\n".repeat(20_000)}\r\nbody`);
  raw("/lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxy");
  raw("/colour", "HTTP/1.1 500 \u001b[31mred\r\ncontent-length: 0\r\n\r\n");
  answers.set("/round", (_, response) => void response.writeHead(302, { location: "/round" }).end());
  assert.match(
    await addFails(`ADD ${files}/switch /f`),
    /switch: the connection was closed without an answer/,
  );
  assert.match(await addFails(`ADD ${files}/headers /f`), /headers: Parse Error: Header overflow/);
  assert.match(await addFails(`ADD ${files}/lengths /f`), /lengths: Parse Error: Duplicate Content-Length/);
  assert.match(await addFails(`ADD ${files}/colour /f`), /colour: invalid response status 500 \[31mred/);
  assert.match(await addFails(`ADD ${files}/round /f`), /round: more than 10 redirects/);
  assert.match(await addFails(`COPY ${files}/x /f`), /source can't be a URL for COPY/);
  assert.match(
    await addFails("ADD --checksum=sha256:12 http://127.0.0.1/x /f"),
    /invalid checksum digest length/,
  );
});

test("an endless body ends with Ctrl-C, and leaves nothing", { timeout: 60_000 }, async () => {
  answers.set("/endless", (_, response) => {
    response.writeHead(200);
    const more = () => {
      if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setTimeout(more, 5));
    };
    more();
  });
  const context = sandbox.files("endless", { Dockerfile: `FROM scratch\nADD ${files}/endless /f\n` });
  requests.length = 0;
  const child = sandbox.start(["build", "--progress=plain", context]);
  const ended = finished(child);
  try {
    const deadline = Date.now() + 30_000;
    while (!requests.some(({ path }) => path === "/endless") && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGINT");
    assert.equal((await ended).code, 130);
  } finally {
    child.kill("SIGKILL");
  }
  assert.deepEqual(readdirSync(join(sandbox.store, "ingest")), []);
});

test("git: default branch, branch, tag, pull request, commit, subdirectory", async () => {
  const app = `${repositories.url}/app.git`;
  const out = await add(`ADD ${app} /src/`);
  assert.equal(readFileSync(join(out, "src/a.txt"), "utf8"), "two\n");
  assert.equal(readFileSync(join(out, "src/deps/library/lib.txt"), "utf8"), "library\n");
  assert.equal(existsSync(join(out, "src/.git")), false);
  assert.equal(existsSync(join(out, "src/deps/library/.git")), false);
  assert.equal(statSync(join(out, "src/run.sh")).mode & 0o777, 0o755);
  for (const path of ["src", "src/a.txt"])
    assert.equal(statSync(join(out, path)).mtimeMs, 1_650_000_000_000, path);
  for (const ref of ["v1", "feature/x", "refs/pull/7/head", "pull/7/head", commits.one!])
    assert.equal(readFileSync(join(await add(`ADD ${app}#${ref} /`), "a.txt"), "utf8"), "one\n", ref);
  const below = await add(`ADD ${app}#v1:sub/dir /d/`);
  assert.deepEqual(readdirSync(join(below, "d")), ["b.txt"]);
  const query = await add(`ADD ${app}?tag=v1&subdir=sub&commit=${commits.one!.slice(0, 12)} /`);
  assert.deepEqual(readdirSync(query), ["dir"]);
  const bare = await add(`ADD ${app}?submodules=false /`);
  assert.deepEqual(readdirSync(join(bare, "deps/library")), []);
});

test("git: what was fetched is not fetched again, and goes with the cache", async () => {
  await add(`ADD ${repositories.url}/app.git#v1 /`);
  repositories.requests.length = 0;
  const out = await add(`ADD ${repositories.url}/app.git#v1 /`);
  assert.ok(existsSync(join(out, "a.txt")));
  assert.ok(
    repositories.requests.every(
      ({ path }) => !path.includes("upload-pack") || path.includes("info/refs") || true,
    ),
  );
  const clones = join(sandbox.store, "remote/git");
  assert.ok(readdirSync(clones).length > 0);
  await sandbox.ok(["prune", "--all", "--force"]);
  assert.deepEqual(existsSync(clones) ? readdirSync(clones) : [], []);
});

test("git: a branch that has moved is fetched anew", async () => {
  const moving = join(sandbox.directory, "git/moving.git");
  const work = join(sandbox.directory, "work");
  await tool("git", ["clone", "-q", "--bare", work, moving]);
  const line = `ADD ${repositories.url}/moving.git?branch=main&submodules=0 /`;
  assert.equal(readFileSync(join(await add(line), "a.txt"), "utf8"), "two\n");
  writeFileSync(join(work, "a.txt"), "three\n");
  await gitIn(work, ["commit", "-qam", "three"]);
  await gitIn(work, ["push", "-q", "--force", moving, "HEAD:refs/heads/main"]);
  assert.equal(readFileSync(join(await add(line), "a.txt"), "utf8"), "three\n");
  await gitIn(work, ["push", "-q", "--force", moving, "HEAD~1:refs/heads/main"]);
  assert.equal(readFileSync(join(await add(line), "a.txt"), "utf8"), "two\n");
});

test("git: --keep-git-dir gives a repository that git understands; --checksum pins", async () => {
  const app = `${repositories.url}/app.git`;
  const out = await add(`ADD --keep-git-dir=true ${app}#v1 /`);
  assert.equal(await gitIn(out, ["-c", "safe.directory=*", "rev-parse", "HEAD"]), commits.one);
  assert.equal(await gitIn(out, ["-c", "safe.directory=*", "remote", "get-url", "origin"]), app);
  assert.equal(await gitIn(out, ["-c", "safe.directory=*", "tag"]), "v1");
  await add(`ADD --checksum=${commits.one} ${app}#v1 /`);
  assert.match(
    await addFails(`ADD --checksum=${commits.two} ${app}#v1 /`),
    new RegExp(`expected checksum to match ${commits.two}, got .*${commits.one}`),
  );
});

test("git: what cannot be had is told by name", async () => {
  const app = `${repositories.url}/app.git`;
  assert.match(await addFails(`ADD ${app}#nowhere /`), /does not contain ref nowhere/);
  assert.match(
    await addFails(`ADD ${app}#v1:a.txt /`),
    /invalid subdir "a.txt" of the repository: a.txt is no directory/,
  );
  assert.match(
    await addFails(`ADD ${app}#v1:link /`),
    /invalid subdir "link" of the repository: link is no directory/,
  );
  assert.match(
    await addFails(`ADD ${repositories.url}/none.git /`),
    /failed to fetch remote .*none\.git.*not found/,
  );
  assert.match(await addFails(`ADD ${app}?what=1 /`), /unexpected query "what"/);
  assert.match(await addFails(`COPY ${app} /`), /source can't be a git ref for COPY/);
  assert.match(await addFails("ADD git@127.0.0.1:x.git /"), /no SSH key "default" forwarded from the client/);
});

test("git: a hostile repository reads nothing of the host and runs nothing", async () => {
  const work = sandbox.files("hostile", { "f.txt": "f" });
  const secret = sandbox.files("secret", { "s.txt": "host secret" });
  await gitIn(secret, ["init", "-q"]);
  await gitIn(secret, ["add", "."]);
  await gitIn(secret, ["commit", "-qm", "s"]);
  await gitIn(work, ["init", "-q"]);
  await gitIn(work, ["submodule", "--quiet", "add", secret, "stolen"]);
  await gitIn(work, ["add", "."]);
  await gitIn(work, ["commit", "-qm", "h"]);
  await tool("git", ["clone", "-q", "--bare", work, join(sandbox.directory, "git/hostile.git")]);
  const told = await addFails(`ADD ${repositories.url}/hostile.git /`);
  assert.match(told, /transport 'file' not allowed/);
  const proof = join(sandbox.directory, "proof");
  const submodules: [string, string][] = [
    [`ext::sh -c "touch% ${proof}"`, "transport 'ext' not allowed"],
    [`--upload-pack=touch ${proof}`, "ignoring suspicious submodule|No url found"],
    [`ssh://-oProxyCommand=touch%20${proof}/x`, "strange hostname|no SSH key|blocked|suspicious"],
    ["fd::0", "transport 'fd' not allowed"],
  ];
  for (const [i, [url, reason]] of submodules.entries()) {
    await gitIn(work, ["config", "-f", ".gitmodules", "submodule.stolen.url", url]);
    await gitIn(work, ["commit", "-qam", "odd"]);
    await tool("git", ["clone", "-q", "--bare", work, join(sandbox.directory, `git/odd-${i}.git`)]);
    assert.match(await addFails(`ADD ${repositories.url}/odd-${i}.git /`), new RegExp(reason), url);
  }
  assert.ok(!existsSync(proof));
});

test("git: names that look like options are names", async () => {
  const proof = join(sandbox.directory, "option-proof");
  const run = `--upload-pack=touch ${proof}`;
  const app = `${repositories.url}/app.git`;
  for (const [source, reason] of [
    [`${app}#${run.replace(" ", "%20")}`, /invalid git ref "--upload-pack=touch /],
    [`${app}?ref=${encodeURIComponent(run)}`, /invalid git ref/],
    [`${app}?branch=${encodeURIComponent(run)}`, /does not contain ref refs\/heads\/--upload-pack/],
    [`${app}#main:--output=x`, /invalid subdir "--output=x"/],
    [`${app}#ma*`, /does not contain ref ma\*/],
    [`${app}#main%0A--x`, /does not contain ref main/],
    [`${app}?checksum=--x`, /invalid checksum --x/],
    [`ssh://-oProxyCommand=touch%20${proof}/x.git`, /no SSH key|strange hostname/],
    [`-oProxyCommand=touch@127.0.0.1:x.git`, /./],
  ] as const)
    assert.match(await addFails(`ADD ${source} /`), reason, source);
  const key = sandbox.files("keys", {});
  await tool("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(key, "id")]);
  const context = sandbox.files("ssh-option", {
    Dockerfile: `FROM scratch\nADD ssh://-oProxyCommand=touch%20${proof}/x.git /\n`,
  });
  const { code, stderr } = await sandbox.run(["build", context, `--ssh=default=${join(key, "id")}`]);
  assert.equal(code, 1);
  assert.match(stderr, /strange hostname/);
  assert.ok(!existsSync(proof));
});

test("git: a builder that is killed leaves no git behind", { timeout: 60_000 }, async () => {
  const { promise: waiting, resolve: asked } = Promise.withResolvers<void>();
  answers.set("/stalled.git/info/refs", (_, response) => {
    response.writeHead(200, { "content-type": "application/x-git-upload-pack-advertisement" });
    response.write("001e# service=git-upload-pack\n");
    asked();
  });
  const context = sandbox.files("stalled", { Dockerfile: `FROM scratch\nADD ${files}/stalled.git /\n` });
  const child = sandbox.start(["build", "--progress=plain", context]);
  const ended = finished(child);
  await Promise.race([waiting, ended]);
  const running = () => processesWith(`${files}/stalled.git`);
  assert.match(
    running()
      .map(({ command }) => command)
      .join(),
    /git/,
  );
  child.kill("SIGKILL");
  await ended;
  await noneLeft(running);
});

test("git: a login in the URL reaches the server and nothing else", async () => {
  const login = `Basic ${Buffer.from("me:gitsecret99").toString("base64")}`;
  const locked = await startGitServer({ root: join(sandbox.directory, "git"), authorization: login });
  try {
    const plain = `${locked.url}/app.git`;
    assert.match(await addFails(`ADD ${plain} /`), /failed to fetch remote .*[\s\S]*GIT_AUTH_TOKEN/);
    const out = await add(`ADD --keep-git-dir=true ${plain.replace("http://", "http://me:gitsecret99@")} /`);
    assert.equal(readFileSync(join(out, "deps/library/lib.txt"), "utf8"), "library\n");
    assert.equal((await searched(out, "gitsecret99")).trim(), "");
    assert.equal((await searched(sandbox.store, "gitsecret99")).trim(), "");
  } finally {
    await locked.close();
  }
});

test("git: tokens come from secrets, that of the host first, and stay out of everything", async () => {
  const basic = (token: string) => `basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}`;
  const locked = await startGitServer({
    root: join(sandbox.directory, "git"),
    authorization: basic("tok-of-host-77"),
  });
  try {
    const { host } = new URL(locked.url);
    const secrets = (token: string, id: string) => {
      const file = join(sandbox.files("tokens", { [id]: `${token}\n` }), id);
      return ["--secret", `id=${id},src=${file}`];
    };
    const general = secrets("wrong", "GIT_AUTH_TOKEN");
    const line = `ADD ${locked.url}/app.git#v1 /`;
    const out = await add(line, ...secrets("tok-of-host-77", `GIT_AUTH_TOKEN.${host}`), ...general);
    assert.ok(existsSync(join(out, "a.txt")));
    assert.equal((await searched(sandbox.store, "tok-of-host-77")).trim(), "");
    const context = join(sandbox.directory, "context");
    const refused = await sandbox.run(["build", "--no-cache", ...general, context]);
    assert.match(refused.stderr, /failed to fetch remote/);
    const encoded = Buffer.from("x-access-token:tok-of-host-77").toString("base64");
    assert.equal((await searched(sandbox.store, encoded)).trim(), "");
  } finally {
    await locked.close();
  }
});

test("git: a server that says the token back, and colours its words", async () => {
  const packet = (text: string) => `${(text.length + 4).toString(16).padStart(4, "0")}${text}`;
  answers.set("/echo.git/info/refs", (request, response) => {
    const [, encoded = ""] = /^basic (.*)$/.exec(request.headers.authorization ?? "") ?? [];
    const token = Buffer.from(encoded, "base64").toString().split(":")[1];
    response.writeHead(200, { "content-type": "application/x-git-upload-pack-advertisement" });
    const service = `${packet("# service=git-upload-pack\n")}0000`;
    response.end(`${service}${packet(`ERR the token ${token} is \u001b[31mnot\u001b[0m good`)}`);
  });
  const token = join(sandbox.files("tokens", { echo: "said-back-5151\n" }), "echo");
  const context = sandbox.files("echo", { Dockerfile: `FROM scratch\nADD ${files}/echo.git /\n` });
  for (const progress of ["plain", "rawjson"]) {
    const secret = ["--secret", `id=GIT_AUTH_TOKEN,src=${token}`];
    const { code, stderr } = await sandbox.run(["build", `--progress=${progress}`, ...secret, context]);
    assert.equal(code, 1);
    assert.match(stderr, /the token \*\*\*\* is /);
    assert.doesNotMatch(stderr.replace(/^#\d+ .*$/gm, ""), /\u001b/, "but in the output of git");
    assert.ok(!stderr.includes("said-back-5151"), stderr);
    for (const [, data] of stderr.matchAll(/"data":"([^"]*)"/g))
      assert.ok(!Buffer.from(data!, "base64").toString().includes("said-back-5151"));
  }
  assert.equal((await searched(sandbox.store, "said-back-5151")).trim(), "");
});

test("a token for a URL comes from a secret", async () => {
  answers.set("/members", (request, response) => {
    const isMember = request.headers.authorization === "Bearer member-token-1";
    response.writeHead(isMember ? 200 : 401).end("for members");
  });
  const token = join(sandbox.files("tokens", { member: "member-token-1" }), "member");
  const line = `ADD ${files}/members /m`;
  const out = await add(line, "--secret", `id=HTTP_AUTH_TOKEN_127.0.0.1,src=${token}`);
  assert.equal(readFileSync(join(out, "m"), "utf8"), "for members");
  assert.equal((await searched(sandbox.store, "member-token-1")).trim(), "");
});

test("git over ssh: a lent key, a host that is new, and one that has changed", {
  skip: !isRoot,
}, async () => {
  const server = await startSshGitServer(join(sandbox.directory, "ssh"));
  try {
    const remote = `ssh://root@127.0.0.1:${server.port}${join(sandbox.directory, "git/app.git")}`;
    const lent = ["--ssh", `default=${server.key}`];
    const out = await add(`ADD ${remote}#v1 /`, ...lent);
    assert.equal(readFileSync(join(out, "a.txt"), "utf8"), "one\n");
    await server.changeHostKey();
    const context = sandbox.files("context", { Dockerfile: `FROM scratch\nADD ${remote}#feature/x /\n` });
    const changed = await sandbox.run(["build", "--progress=plain", ...lent, context]);
    assert.equal(changed.code, 1);
    assert.match(changed.stderr, /Host key verification failed|HOST IDENTIFICATION HAS CHANGED/);
    assert.match(await addFails(`ADD ${remote} /`), /no SSH key "default" forwarded from the client/);
  } finally {
    await server.close();
  }
});
