import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { openSession } from "./session.ts";
import type { SshSource } from "./types.ts";

/** The programs of OpenSSH speak to agents as users' programs do. */
describe("an agent that is lent", () => {
  const directory = mkdtempSync(join(tmpdir(), "stagewright-ssh-"));
  const closing: Server[] = [];
  let agent: ChildProcess | undefined;
  const inside = (name: string): string => join(directory, name);

  const kinds = ["ed25519", "rsa", "ecdsa"];
  before(async () => {
    for (const kind of kinds)
      await program("ssh-keygen", ["-q", "-t", kind, "-N", "", "-C", `${kind} key`, "-f", inside(kind)]);
    await program("ssh-keygen", ["-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", inside("pem")]);
    await program("ssh-keygen", ["-q", "-t", "ecdsa", "-b", "521", "-N", "", "-f", inside("p521")]);
    await program("ssh-keygen", ["-q", "-t", "ed25519", "-N", "passphrase", "-f", inside("protected")]);
  });
  after(() => {
    agent?.kill();
    for (const server of closing) server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function program(name: string, args: readonly string[], env = {}, input = ""): Promise<string> {
    const child = spawn(name, args, { env: { ...process.env, ...env }, timeout: 20_000 });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
    child.stdin.end(input);
    const code = await new Promise((resolve, reject) => child.on("close", resolve).on("error", reject));
    assert.equal(code, 0, `${name} ${args.join(" ")}: ${output}`);
    return output;
  }

  /** A socket that leads to the agent. */
  async function served(source: SshSource, name: string): Promise<{ SSH_AUTH_SOCK: string }> {
    const { ssh } = openSession({ cwd: directory, ssh: { default: source } });
    const server = createServer(async (client) => {
      client.on("error", () => client.destroy());
      const connection = await ssh.connect("default");
      client.on("close", () => connection.destroy());
      client.pipe(connection).pipe(client);
    });
    closing.push(server);
    await new Promise<void>((resolve) => server.listen(inside(name), resolve));
    return { SSH_AUTH_SOCK: inside(name) };
  }

  async function signs(env: object, key: string): Promise<void> {
    const publicKey = readFileSync(inside(`${key}.pub`), "utf8");
    writeFileSync(inside("signers"), `me ${publicKey}`);
    const signature = await program(
      "ssh-keygen",
      ["-q", "-Y", "sign", "-n", "test", "-f", inside(`${key}.pub`), "-"],
      env,
      "the message",
    );
    writeFileSync(inside("signature"), signature.slice(signature.indexOf("-----BEGIN")));
    await program(
      "ssh-keygen",
      ["-Y", "verify", "-n", "test", "-I", "me", "-f", inside("signers"), "-s", inside("signature")],
      {},
      "the message",
    );
  }

  test("of keys: lists them and signs with each", async () => {
    const keys = [...kinds, "pem", "p521"];
    const env = await served({ paths: keys }, "keys.sock");
    const listed = (await program("ssh-add", ["-L"], env)).trim().split("\n");
    const fields = (line: string): string => line.trim().split(" ").slice(0, 2).join(" ");
    assert.deepEqual(
      listed.map(fields),
      keys.map((key) => fields(readFileSync(inside(`${key}.pub`), "utf8"))),
    );
    assert.match(listed[0]!, /ed25519 key$/);
    for (const key of keys) await signs(env, key);
    await assert.rejects(program("ssh-add", ["-D"], env), /refused|failure|Failed/i);
  });

  test("of a running one: the same, and nothing can be added, removed or locked", async () => {
    agent = spawn("ssh-agent", ["-D", "-a", inside("agent.sock")], { stdio: "ignore" });
    const own = { SSH_AUTH_SOCK: inside("agent.sock") };
    await until(() => program("ssh-add", ["-q", inside("ed25519")], own));
    const env = await served({ paths: ["agent.sock"] }, "forwarded.sock");
    assert.match(await program("ssh-add", ["-L"], env), /^ssh-ed25519 .* ed25519 key\n$/);
    await signs(env, "ed25519");
    for (const args of [["-D"], [inside("rsa")], ["-d", inside("ed25519")]])
      await assert.rejects(program("ssh-add", args, env), Error, args.join(" "));
    assert.match(await program("ssh-add", ["-L"], own), /^ssh-ed25519 .* ed25519 key\n$/);
  });

  test("a key with a passphrase is refused with a way out, a socket beside keys too", () => {
    const open =
      (...paths: string[]) =>
      () =>
        openSession({ cwd: directory, ssh: { default: { paths } } });
    assert.throws(open("protected"), {
      message: "failed to parse protected: this private key is passphrase protected",
      hint: /ssh-add protected/,
    });
    assert.throws(open("agent.sock", "rsa"), { message: /invalid combination of keys and sockets/ });
    assert.throws(open("agent.sock", "agent.sock"), { message: /only single socket allowed/ });
  });

  async function until(work: () => Promise<unknown>): Promise<void> {
    for (let attempt = 0; ; attempt++)
      try {
        await work();
        return;
      } catch (error) {
        if (attempt === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
  }
});
