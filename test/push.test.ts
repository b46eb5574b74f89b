import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type RegistryProcess, startRegistry } from "../src/registry/testing/index.ts";
import { type DockerEngine, startDockerEngine } from "./docker-engine.ts";
import { createSandbox, isRoot, launcher, tool } from "./sandbox.ts";

const login = { username: "me", password: "pass word" };
const programs = ["/usr/bin/docker-registry", "/usr/bin/skopeo", "/usr/bin/htpasswd"];
const missing = programs.filter((program) => !existsSync(program));

describe("push", { skip: missing.length > 0 && `needs ${missing.join(", ")}` }, () => {
  const sandbox = createSandbox("push");
  const config = join(sandbox.directory, "docker");
  const env = { DOCKER_CONFIG: config };
  const context = sandbox.files("app", {
    Dockerfile:
      'FROM scratch AS build\nCOPY data /data\nFROM scratch\nCOPY --from=build /data /\nCMD ["/none"]\n',
    data: "what the image holds\n",
  });
  let registry: RegistryProcess;
  before(async () => {
    registry = await startRegistry(login);
  });
  after(() => registry?.stop());

  const digestAt = async (name: string) => {
    const creds = ["--creds", `${login.username}:${login.password}`];
    const args = ["inspect", "--tls-verify=false", ...creds, "--format={{.Digest}}", `docker://${name}`];
    return (await tool("skopeo", args)).trim();
  };
  const fails = async (args: readonly string[], message: RegExp, input = "") => {
    const { code, stderr } = await sandbox.run(args, { env, input });
    assert.equal(code, 1, stderr);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /pass word/);
  };

  test("needs a login, which is checked and kept", async () => {
    const name = `${registry.host}/team/app:1`;
    await sandbox.ok(["build", "-t", name, context], { env });
    await fails(["push", name], /push access denied[\s\S]*stagewright login/);
    const command = ["login", "-u", login.username, "--password-stdin", registry.host];
    await fails(command, /does not take the login of user "me"/, "wrong\n");
    assert.ok(!existsSync(join(config, "config.json")));
    await fails(["login", "-u", "me", "-p", "x", registry.host], /list of processes/);
    await fails(["login", "me"], /is not a registry/);
    const { stdout } = await sandbox.ok(command, { env, input: `${login.password}\n` });
    assert.equal(stdout, "Login Succeeded\n");
    assert.equal(statSync(join(config, "config.json")).mode & 0o777, 0o600);
  });

  test("asks for the login on a terminal, and does not show the password", async () => {
    const home = join(sandbox.directory, "asked");
    const call = `'${process.execPath}' '${launcher}' login ${registry.host}`;
    const terminal = spawn("script", ["-qec", call, "/dev/null"], {
      env: { ...process.env, DOCKER_CONFIG: home },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: 30_000,
    });
    const answers = [
      [/Username: $/, `${login.username}\r`],
      [/Password: $/, `${login.password}\r`],
    ] as const;
    let shown = "";
    let asked = 0;
    for await (const chunk of terminal.stdout) {
      shown += chunk;
      const [question, answer] = answers[asked] ?? [];
      if (question?.test(shown.replace(/\u001b\[[0-9;?]*[a-zA-Z]/g, ""))) {
        terminal.stdin.write(answer);
        asked++;
      }
    }
    assert.match(shown, /Username: .*me[\s\S]*Login Succeeded/);
    assert.doesNotMatch(shown, /pass/);
    assert.ok(existsSync(join(home, "config.json")));
    await fails(["login", "-u", "me", registry.host], /interactive login from a non TTY device/);
    await fails(["login", "--password-stdin", registry.host], /Must provide --username/, "x\n");
  });

  test("gives the digest that others see, and sends nothing the second time", async () => {
    const name = `${registry.host}/team/app:1`;
    const first = await sandbox.ok(["push", name], { env });
    assert.equal(first.stdout, `Digest: ${await digestAt(name)}\n${name}\n`);
    assert.match(first.stderr, /: Pushed \(/);
    const asked = await sandbox.ok(["inspect", "-f", "{{json .RepoDigests}}", name]);
    assert.deepEqual(JSON.parse(asked.stdout), [`${name.replace(/:1$/, "")}@${await digestAt(name)}`]);
    const second = await sandbox.ok(["push", name], { env });
    assert.equal(second.stdout, first.stdout);
    assert.doesNotMatch(second.stderr, /Pushed/);
    assert.equal((await sandbox.ok(["push", "-q", name], { env })).stdout, `${name}\n`);
    await fails(["push", "--compression", "lzma", name], /gzip or zstd/);
    await fails(["push", "nothing-of-this-name"], /does not exist locally/);
  });

  test("build --push pushes each name, and its metadata tells the pushed digest", async () => {
    const names = [`${registry.host}/team/app:2`, `${registry.host}/other/app:3`];
    const metadata = join(sandbox.directory, "meta.json");
    const tags = names.flatMap((name) => ["-t", name]);
    await sandbox.ok(["build", "--push", ...tags, "--metadata-file", metadata, context], { env });
    const written = JSON.parse(readFileSync(metadata, "utf8"));
    for (const name of names) assert.equal(await digestAt(name), written["containerimage.digest"]);
    assert.equal(written["containerimage.descriptor"].digest, written["containerimage.digest"]);
    await fails(["build", "--push", context], /tag is needed when pushing/);
  });

  test("what was pushed is pulled with the login, and not after logout", async () => {
    const name = `${registry.host}/team/app:1`;
    const digest = await digestAt(name);
    await sandbox.ok(["rmi", name], { env });
    const created = await sandbox.ok(["create", name], { env });
    assert.match(created.stderr, /^Unable to find image '\S+\/team\/app:1' locally\n/);
    assert.equal((await sandbox.ok(["create", name], { env })).stderr, "", "it has its name from then on");
    await sandbox.ok(["container", "prune", "-f"]);
    await sandbox.ok(["rmi", name], { env });
    assert.match((await sandbox.ok(["pull", name], { env })).stdout, new RegExp(digest));
    assert.match((await sandbox.ok(["push", name], { env })).stdout, new RegExp(digest));
    await sandbox.ok(["logout", registry.host], { env });
    assert.match((await sandbox.ok(["logout", registry.host], { env })).stdout, /^Not logged in/);
    await fails(["pull", `${registry.host}/other/app:3`], /pull access denied/);
  });

  const noDocker = !isRoot || !existsSync("/usr/sbin/dockerd");
  test("Docker pulls it, digests equal", { skip: noDocker && "needs root and docker.io" }, async () => {
    const open = await startRegistry();
    let engine: DockerEngine | undefined;
    try {
      const name = `${open.host}/team/app:1`;
      const pushed = await sandbox.ok(["build", "--push", "-q", "-t", name, context], { env });
      engine = await startDockerEngine(join(sandbox.directory, "engine"));
      const pulled = await engine.docker("pull", name);
      const [digest] = /sha256:[0-9a-f]{64}/.exec((await sandbox.ok(["push", name], { env })).stdout) ?? [];
      assert.match(pulled, new RegExp(`Digest: ${digest}`));
      const id = await engine.docker("image", "inspect", "--format", "{{.Id}}", name);
      assert.equal(id.trim(), pushed.stdout.trim());
    } finally {
      await engine?.stop();
      open.stop();
    }
  });
});
