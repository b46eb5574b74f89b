import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type BuildEvent, build } from "../src/build.ts";
import { createSandbox, isRoot, tool } from "./sandbox.ts";

/** Secrets and SSH agents that a build is lent, and that no byte of the store, the logs and the output ever has. */
describe("what is lent to a build", { skip: isRoot ? false : "RUN needs root" }, () => {
  const sandbox = createSandbox("secrets");
  before(() => sandbox.ok(["bootstrap", "busybox"]));

  /** Files of the store, and below other directories, that hold a text: in their bytes, or in their names. */
  function holding(text: string, ...directories: string[]): string[] {
    return [sandbox.store, ...directories]
      .flatMap(filesBelow)
      .filter((path) => path.includes(text) || bytesOf(path).includes(text));
  }

  /** What is in the trash goes while one looks. */
  function filesBelow(directory: string): string[] {
    return unlessGone(() => readdirSync(directory, { withFileTypes: true }), []).flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? filesBelow(path) : [path];
    });
  }

  function bytesOf(path: string): Buffer {
    return unlessGone(
      () => (lstatSync(path).isFile() ? readFileSync(path) : Buffer.alloc(0)),
      Buffer.alloc(0),
    );
  }

  function unlessGone<T>(work: () => T, otherwise: T): T {
    try {
      return work();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return otherwise;
      throw error;
    }
  }

  /** A secret that nothing else has, in the form of a key in several lines where asked for. */
  function secret(lines = 1): string {
    return Array.from({ length: lines }, () => randomBytes(12).toString("hex")).join("\n");
  }

  function context(name: string, dockerfile: readonly string[], files: Record<string, string> = {}): string {
    return sandbox.files(name, { Dockerfile: `FROM busybox\n${dockerfile.join("\n")}\n`, ...files });
  }

  /** Waits for a text in what a build prints; a build that ends without it fails the test. */
  async function printed(child: ChildProcess, text: string): Promise<void> {
    let output = "";
    await new Promise<void>((resolve, reject) => {
      child.stderr?.on("data", (data) => {
        output += data;
        if (output.includes(text)) resolve();
      });
      child.on("close", () => reject(new Error(`the build ended without ${text}: ${output}`)));
    });
  }

  test("a step has them as files and variables; store, layers, logs, history and output have nothing of it", async () => {
    const [file, variable, lines] = [secret(), secret(), secret(3)];
    const directory = context("whole", [
      'RUN --mount=type=secret,id=file test "$(wc -c </run/secrets/file)" = 25 && cat /run/secrets/file',
      'RUN --mount=type=secret,id=variable,env=TOKEN,required test "$(printf %s "$TOKEN" | wc -c)" = 24 && echo "<$TOKEN>"; env >&2',
      "RUN --mount=type=secret,id=lines,target=/root/.key,mode=0444 cat /root/.key; sed 's/^/  > /' /root/.key",
      "RUN ls /run /root > /left; ! test -e /run/secrets",
    ]);
    const lent = sandbox.files("whole-lent", { file: `${file}\n`, lines });
    const out = sandbox.files("whole-out", {});
    const { stdout, stderr } = await sandbox.ok(
      [
        ...["build", "--progress=rawjson", "-t", "whole", directory, "--secret=id=variable,env=LENT"],
        ...[`--secret=id=file,src=${lent}/file`, `--secret=id=lines,src=${lent}/lines`],
        ...[`--metadata-file=${out}/metadata.json`, `-o=type=oci,dest=${out}/image.tar`, "-o=type=image"],
      ],
      { env: { LENT: variable } },
    );
    const messages = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const output = messages
      .flatMap(({ logs = [] }) =>
        logs.map(({ data }: { data: string }) => Buffer.from(data, "base64").toString()),
      )
      .join("");
    assert.match(output, /^\*\*\*\*$/m);
    assert.match(output, /^<\*\*\*\*>$/m);
    assert.match(output, /^TOKEN=\*\*\*\*$/m);
    assert.match(output, / {2}> \*\*\*\*$/m);
    const history = await sandbox.ok(["history", "--no-trunc", "whole"]);
    const inspected = await sandbox.ok(["inspect", "whole"]);
    const everything = [stdout, stderr, output, history.stdout, inspected.stdout].join("\n");
    for (const text of [file, variable, ...lines.split("\n")]) {
      assert.ok(!everything.includes(text));
      assert.deepEqual(holding(text, out), []);
    }
  });

  test("a failed step: its message, its place and its kept log", async () => {
    const text = secret();
    const directory = context("failed", [
      'RUN --mount=type=secret,id=s,env=S --mount=type=secret,id=s,target=/s cat /s; echo "$S" >&2; exit 3',
    ]);
    const failed = await sandbox.run(["build", directory, "--secret=id=s,env=LENT"], { env: { LENT: text } });
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /exit code: 3/);
    const log = /Full log: (.*)/.exec(failed.stderr)?.[1];
    assert.ok(log !== undefined && existsSync(log));
    assert.equal(readFileSync(log, "utf8").replaceAll("\n", ""), "********");
    assert.ok(!`${failed.stdout}${failed.stderr}`.includes(text));
    assert.deepEqual(holding(text), []);
  });

  test("one that is printed in pieces, on both streams, and one with thousands of lines", {
    timeout: 60_000,
  }, async () => {
    const [text, lines] = [secret(), secret(5000)];
    const directory = context("pieces", [
      'RUN --mount=type=secret,id=s,target=/s for fd in 1 2; do head -c 11 /s >&$fd; sleep 0.2; tail -c +12 /s >&$fd; echo "|" >&$fd; done',
      'RUN --mount=type=secret,id=lines,target=/s cat /s; echo "|$(tail -n 1 /s)|"; tail -n 3 /s; exit 7',
    ]);
    const lent = sandbox.files("pieces-lent", { text, lines });
    const secrets = [`--secret=id=s,src=${lent}/text`, `--secret=id=lines,src=${lent}/lines`];
    for (const progress of ["plain", "rawjson", "tty"]) {
      const args = ["build", "--no-cache", `--progress=${progress}`, `--metadata-file=${lent}-metadata.json`];
      const { code, stdout, stderr } = await sandbox.run([...args, ...secrets, directory]);
      assert.equal(code, 1);
      const data = [...stderr.matchAll(/"data":"([^"]*)"/g)].map(([, text]) => Buffer.from(text!, "base64"));
      const everything = `${stdout}${stderr}${Buffer.concat(data)}`;
      assert.match(everything, /exit code: 7/);
      if (progress !== "tty")
        assert.ok(everything.match(/\*\*\*\*\|$/gm)!.length >= 3, everything.slice(-3000));
      for (const piece of [text, text.slice(0, 11), text.slice(11), ...lines.split("\n")])
        assert.ok(!everything.includes(piece));
    }
    for (const piece of [text, text.slice(0, 11), ...lines.split("\n").slice(0, 9)])
      assert.deepEqual(holding(piece), []);
  });

  test("a build that is killed leaves nothing of them, nor had it put them anywhere", async () => {
    const [file, variable] = [secret(), secret()];
    const directory = context("killed", [
      "RUN --mount=type=secret,id=f --mount=type=secret,id=v,env=V cat /run/secrets/f; echo $V; echo rea''dy; sleep 300",
    ]);
    const lent = sandbox.files("killed-lent", { file });
    const child = sandbox.start(
      ["build", "--progress=plain", directory, `--secret=id=f,src=${lent}/file`, "--secret=id=v,env=LENT"],
      { env: { LENT: variable } },
    );
    try {
      await printed(child, " ready");
      for (const text of [file, variable]) assert.deepEqual(holding(text), [], "while the step runs");
    } finally {
      child.kill("SIGKILL");
    }
    for (const text of [file, variable]) assert.deepEqual(holding(text), [], "after the kill");
    assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(sandbox.store));
    await sandbox.ok(["build", context("after", ["RUN true"])]);
  });

  test("what a step writes down itself is its own doing: it is found where it is looked for", async () => {
    const text = secret();
    const directory = context("copied", ["RUN --mount=type=secret,id=s cp /run/secrets/s /kept"]);
    await sandbox.ok(["build", directory, "--secret=id=s,env=LENT"], { env: { LENT: text } });
    assert.notEqual(holding(text).length, 0);
  });

  test("what they hold is no part of a cache key, how they are given is", async () => {
    const directory = context("key", [
      "ARG FLAGS",
      "RUN --mount=type=secret,id=s,required date +%N > /made; cat /run/secrets/s > /dev/null",
    ]);
    const id = async (...flags: string[]) =>
      (await sandbox.ok(["build", "-q", directory, ...flags], { env: { ONE: "first", TWO: "second" } }))
        .stdout;
    const first = await id("--secret=id=s,env=ONE");
    assert.equal(await id("--secret=id=s,env=TWO"), first);
    assert.equal(await id(), first, "a step that is in the cache asks for nothing");
    const other = context("key-other", [
      "ARG FLAGS",
      "RUN --mount=type=secret,id=s,required,mode=0444 date +%N > /made; cat /run/secrets/s > /dev/null",
    ]);
    assert.notEqual(
      (await sandbox.ok(["build", "-q", other, "--secret=id=s,env=ONE"], { env: { ONE: "x" } })).stdout,
      first,
    );
  });

  test("one that is missing: left out, or an error that says how to lend it", async () => {
    const optional = context("optional", ["RUN --mount=type=secret,id=s ! test -e /run/secrets/s"]);
    await sandbox.ok(["build", optional]);
    const required = context("required", ["RUN --mount=type=secret,id=s,required true"]);
    const failed = await sandbox.run(["build", required]);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /^Dockerfile:2$/m);
    assert.match(failed.stderr, /^ERROR: secret s: not found$/m);
    assert.match(failed.stderr, /--secret id=s,src=FILE/);
    const missing = await sandbox.run(["build", required, "--secret=id=s,src=nowhere"]);
    assert.match(missing.stderr, /cannot read the secret nowhere: .*no such file/);
    assert.doesNotMatch(missing.stderr, /load build definition/, "nothing was started");
  });

  test("the library lends by functions, and events are masked", async () => {
    const text = secret();
    const directory = context("library", [
      "RUN --mount=type=secret,id=s --mount=type=secret,id=s,env=S cat /run/secrets/s; echo $S",
    ]);
    const events: BuildEvent[] = [];
    let asked = 0;
    await build({
      context: directory,
      root: sandbox.store,
      secrets: {
        async s() {
          asked++;
          return text;
        },
        unused: () => assert.fail("nobody asks for it"),
      },
      onEvent: (event) => events.push(event),
    });
    assert.equal(asked, 1);
    const output = events.flatMap((event) =>
      event.kind === "log" ? [Buffer.from(event.data).toString()] : [],
    );
    assert.equal(output.join(""), "********\n");
    assert.ok(!JSON.stringify(events).includes(text));
    assert.deepEqual(holding(text), []);
  });

  describe("ssh", () => {
    /** The machine's ssh-add with its libraries, for steps of an image that has none. */
    let tools: string;
    const agents: (() => Promise<unknown>)[] = [];
    before(async () => {
      tools = sandbox.files("ssh-tools", {});
      const program = (await tool("which", ["ssh-add"])).trim();
      copyFileSync(program, join(tools, "ssh-add"));
      for (const [path] of (await tool("ldd", [program])).matchAll(/\/\S+/g))
        copyFileSync(path, join(tools, path.includes("/ld-") ? "ld.so" : (path.split("/").at(-1) as string)));
      mkdirSync(join(sandbox.directory, "keys"));
      for (const key of ["one", "two"])
        await tool("ssh-keygen", [
          "-q",
          "-t",
          "ed25519",
          "-N",
          "",
          "-C",
          key,
          "-f",
          join(sandbox.directory, "keys", key),
        ]);
    });
    after(async () => {
      for (const stop of agents) await stop();
    });
    const keys = (name: string): string => join(sandbox.directory, "keys", name);
    const list = "/tools/ld.so --library-path /tools /tools/ssh-add -L";

    function sshContext(name: string, dockerfile: readonly string[]): string[] {
      return ["build", "--progress=plain", context(name, dockerfile), `--build-context=tools=${tools}`];
    }

    test("a step talks to keys that are given as files, and no byte of them stays", async () => {
      const args = sshContext("ssh-keys", [
        `RUN --mount=from=tools,target=/tools --mount=type=ssh ${list}`,
        `RUN --mount=from=tools,target=/tools --mount=type=ssh,id=other,target=/agent,mode=0666,uid=7 stat -c 'socket %a %u' /agent && ${list}`,
        "RUN ls -d /run/buildkit /agent /tools 2>&1 | grep -c 'No such'",
      ]);
      const { stderr } = await sandbox.ok([
        ...args,
        `--ssh=default=${keys("one")}`,
        `--ssh=other=${keys("one")},${keys("two")}`,
      ]);
      const listed = [...stderr.matchAll(/ ssh-ed25519 \S+ (\S+)$/gm)].map(([, comment]) => comment);
      assert.deepEqual(listed, ["one", "one", "two"]);
      assert.match(stderr, / socket 666 7$/m);
      assert.match(stderr, / 3$/m);
      for (const line of readFileSync(keys("one"), "utf8").split("\n").slice(1, -2))
        assert.deepEqual(holding(line), []);
    });

    test("a running agent is forwarded, and cannot be changed", async () => {
      const socket = join(sandbox.directory, "agent.sock");
      const started = await tool("ssh-agent", ["-a", socket]);
      const env = { SSH_AUTH_SOCK: socket, SSH_AGENT_PID: /SSH_AGENT_PID=(\d+)/.exec(started)?.[1] };
      agents.push(() => tool("ssh-agent", ["-k"], { env }));
      await tool("ssh-add", ["-q", keys("two")], { env });
      const args = sshContext("ssh-agent", [
        `RUN --mount=from=tools,target=/tools --mount=type=ssh ${list} && ! ${list.replace("-L", "-D")}`,
      ]);
      const { stderr } = await sandbox.ok([...args, "--ssh=default"], { env });
      assert.match(stderr, / ssh-ed25519 \S+ two$/m);
      assert.match(await tool("ssh-add", ["-L"], { env }), /two\n$/);
    });

    test("an agent that nobody lends: left out, or an error that says how", async () => {
      await sandbox.ok(["build", context("ssh-optional", ["RUN --mount=type=ssh ! test -e $SSH_AUTH_SOCK"])]);
      const required = context("ssh-required", ["RUN --mount=type=ssh,required true"]);
      const failed = await sandbox.run(["build", required]);
      assert.match(failed.stderr, /^ERROR: unset ssh forward key default$/m);
      assert.match(failed.stderr, /--ssh default/);
      const none = await sandbox.run(["build", required, "--ssh=default"], { env: { SSH_AUTH_SOCK: "" } });
      assert.match(none.stderr, /invalid empty ssh agent socket/);
    });
  });
});
