import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createSandbox, finished, isRoot, launcher, type Output, tool } from "./sandbox.ts";
import { eventually, freePort, noneLeft, processesWith } from "./waiting.ts";

const sandbox = createSandbox("containers");
const { ok, run } = sandbox;

async function answerOf(port: number): Promise<string> {
  return eventually(async () => {
    try {
      return await (await fetch(`http://127.0.0.1:${port}/`)).text();
    } catch {
      return undefined; // it does not listen yet
    }
  }, `answer on port ${port}`);
}

const serving = (text: string): string[] => [
  ...["busybox", "sh", "-c", `mkdir /www; echo ${text} > /www/index.html; exec httpd -f -p 8080 -h /www`],
];

async function status(name: string): Promise<string> {
  const { stdout } = await ok(["ps", "-a"]);
  return stdout.split("\n").find((line) => line.endsWith(name)) ?? "";
}

describe("containers", { skip: isRoot ? false : "needs root" }, () => {
  before(async () => {
    await ok(["bootstrap", "busybox"]);
  });
  after(async () => {
    const { stdout } = await run(["ps", "-aq"]);
    const ids = stdout.split("\n").filter((id) => id !== "");
    if (ids.length > 0) await run(["rm", "-f", ...ids]);
  });

  test("exit codes are docker's", async () => {
    const codeOf = async (...args: string[]): Promise<number | null> =>
      (await run(["run", "--rm", ...args])).code;
    assert.equal(await codeOf("busybox", "sh", "-c", "exit 3"), 3);
    assert.equal(await codeOf("busybox", "sh", "-c", "sh -c 'kill -TERM $$; true'; exit $?"), 143);
    assert.equal(await codeOf("busybox", "/nowhere"), 127);
    assert.equal(await codeOf("busybox", "/etc/passwd"), 126);
    assert.equal(await codeOf("--no-such-flag", "busybox"), 125);
    assert.equal(await codeOf("--name", "/bad name", "busybox"), 125);
    const detached = await run(["run", "-d", "busybox", "/nowhere"]);
    assert.equal(detached.code, 127);
    assert.match(detached.stdout, /^[0-9a-f]{64}\n$/);
  });

  test("limits, memory mounts, exposed ports and the file for the id", async () => {
    const file = join(sandbox.directory, "cid");
    const flags = ["--cidfile", file, "--ulimit", "nofile=100:200", "--shm-size=5m", "--tmpfs", "/t:size=1m"];
    const script = "ulimit -Sn; ulimit -Hn; df -k /dev/shm /t | awk 'NR > 1 { print $2, $6 }'";
    const { stdout } = await ok(["run", ...flags, "--expose", "81/udp", "busybox", "sh", "-c", script]);
    assert.equal(stdout, "100\n200\n5120 /dev/shm\n1024 /t\n");
    const id = readFileSync(file, "utf8");
    const [inspected] = JSON.parse((await ok(["inspect", id])).stdout);
    assert.deepEqual(Object.keys(inspected.Config.ExposedPorts), ["81/udp"]);
    assert.deepEqual(inspected.HostConfig.Ulimits, [{ Name: "nofile", Soft: 100, Hard: 200 }]);
    assert.equal((await ok(["ps", "-q", "--no-trunc", "--last", "1"])).stdout, `${id}\n`);
    const again = await run(["run", "--cidfile", file, "busybox", "true"]);
    assert.match(again.stderr, /^ERROR: container ID file found/);
    for (const wrong of [
      ["--tmpfs", "t"],
      ["--tmpfs", "/t:uid=1"],
      ["--expose", "1:2"],
      ["--pull", "often"],
    ])
      assert.equal((await run(["run", ...wrong, "busybox", "true"])).code, 125, wrong.join(" "));
    const never = await run(["run", "--pull=never", "nosuch"]);
    assert.match(never.stderr, /^ERROR: no image "nosuch" in the store, and --pull=never/);
  });

  test("--read-only leaves only mounts to be written, --cap-drop and --cap-add decide what root may do", async () => {
    const write =
      "echo a > /tmp/a && echo tmp; echo b > /b && echo root; cat /proc/mounts | grep -c ' / overlay ro'";
    const limited = await run([
      "run",
      "--rm",
      "--read-only",
      "--tmpfs",
      "/tmp",
      "busybox",
      "sh",
      "-c",
      write,
    ]);
    assert.equal(limited.stdout, "tmp\n1\n");
    assert.match(limited.stderr, /Read-only file system/);
    const own = (...flags: string[]) =>
      ok([
        "run",
        "--rm",
        ...flags,
        "busybox",
        "sh",
        "-c",
        "chown 1:1 /etc/passwd && stat -c %u /etc/passwd; true",
      ]);
    assert.equal((await own()).stdout, "1\n");
    assert.equal((await own("--cap-drop=CHOWN")).stdout, "");
    assert.equal((await own("--cap-drop", "all")).stdout, "");
    assert.equal((await own("--cap-drop=ALL", "--cap-add", "cap_chown")).stdout, "1\n");
    const more = await run(["run", "--cap-add", "SYS_ADMIN", "busybox", "true"]);
    assert.match(more.stderr, /^ERROR: --cap-add CAP_SYS_ADMIN: more than Docker's default capabilities/);
    const wrong = await run(["run", "--cap-drop", "CHWON", "busybox", "true"]);
    assert.match(wrong.stderr, /^ERROR: unknown capability: "CHWON"\nHint: did you mean CHOWN\?/);
    assert.deepEqual([more.code, wrong.code], [125, 125]);
  });

  test("start -a runs a container that was made in the foreground, -i hands its input on", async () => {
    await ok(["create", "-i", "--name", "job", "busybox", "sh", "-c", "cat; echo err >&2; exit 7"]);
    const closed = await run(["start", "-a", "job"], { input: "typed\n" });
    assert.deepEqual([closed.code, closed.stdout, closed.stderr], [7, "", "err\n"]);
    const open = await run(["start", "-ai", "job"], { input: "typed\n" });
    assert.deepEqual([open.code, open.stdout, open.stderr], [7, "typed\n", "err\n"]);
    assert.match(await status("job"), /Exited \(7\)/);
    assert.equal((await ok(["logs", "job"])).stdout, "typed\n");
    const two = await run(["start", "-a", "job", "job"]);
    assert.match(two.stderr, /^ERROR: you cannot start and attach multiple containers at once/);
    await ok(["rm", "job"]);
  });

  test("--env-file is for the container, and not for the Node that reads it", async () => {
    const [file, missing] = [join(sandbox.directory, "env"), join(sandbox.directory, "no-env")];
    writeFileSync(file, "A=1\nNODE_OPTIONS=--no-such-option\nSTAGEWRIGHT_ROOT=/dev/null\n");
    const { STAGEWRIGHT_ROOT: _, ...others } = process.env;
    const env = { ...others, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
    const start = (path: string) =>
      finished(
        spawn(launcher, ["run", "--rm", "--root", sandbox.store, "--env-file", path, "busybox", "env"], {
          env,
        }),
      );
    const printed = await start(file);
    assert.equal(printed.code, 0, printed.stderr);
    assert.match(printed.stdout, /^A=1\nNODE_OPTIONS=--no-such-option\nSTAGEWRIGHT_ROOT=\/dev\/null$/m);
    const failed = await start(missing);
    assert.equal(failed.code, 125);
    assert.match(failed.stderr, /^ERROR: --env-file .*no such file or directory/);
  });

  test("two at once answer over HTTP, each on its own port and its own network", async () => {
    const [one, two] = [await freePort(), await freePort()];
    const { stdout } = await ok(["run", "-d", "--name", "one", "-p", `${one}:8080`, ...serving("first")]);
    assert.match(stdout, /^[0-9a-f]{64}\n$/);
    await ok([
      "run",
      "-d",
      "--name",
      "two",
      "-p",
      `127.0.0.1:${two}:8080`,
      "-p",
      "9000",
      ...serving("second"),
    ]);
    assert.equal(await answerOf(one), "first\n");
    assert.equal(await answerOf(two), "second\n");
    const ps = (await ok(["ps"])).stdout;
    assert.match(ps, /^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n/);
    assert.match(ps, new RegExp(`busybox +"sh -c .*" .* Up .* 0\\.0\\.0\\.0:${one}->8080/tcp +one\\n`));
    assert.match(ps, new RegExp(` 127\\.0\\.0\\.1:${two}->8080/tcp, 0\\.0\\.0\\.0:\\d+->9000/tcp +two\\n`));

    const taken = await run(["run", "-d", "-p", `${one}:8080`, "busybox", "true"]);
    assert.equal(taken.code, 125);
    assert.match(taken.stderr, new RegExp(`Bind for 0\\.0\\.0\\.0:${one} failed: port is already allocated`));
    assert.equal((await ok(["stop", "-t", "1", "one", "two"])).stdout, "one\ntwo\n");
    assert.match(await status("one"), /Exited \(137\)/);
    assert.equal((await ok(["start", "one"])).stdout, "one\n");
    assert.equal(await answerOf(one), "first\n");
    assert.equal((await ok(["rm", "-f", "one", "two"])).stdout, "one\ntwo\n");
  });

  test("UDP, which slirp4netns carries, and all of it where there is no pasta", async () => {
    const bin = join(sandbox.directory, "bin");
    mkdirSync(bin);
    const programs = ["setpriv", "unshare", "setsid", "sh", "mount", "crun", "runc", "slirp4netns", "mkfifo"];
    for (const program of [...programs, "cat", "rm", "grep"])
      symlinkSync((await tool("which", [program])).trim(), join(bin, program));
    const env = { PATH: bin };
    for (const [name, options] of [
      ["by-default", {}],
      ["by-slirp", { env }],
    ] as const) {
      const [web, echo] = [await freePort(), await freePort()];
      const program = `require("node:http").createServer((_, answer) => answer.end(os.hostname())).listen(8080);
        const socket = require("node:dgram").createSocket("udp4").bind(7000);
        socket.on("message", (data, from) => socket.send(data, from.port, from.address));`;
      // The program is this machine's node, with the libraries that it wants.
      const libraries = ["/usr", "/lib", "/lib64"].filter((path) => existsSync(path));
      const volumes = [...libraries.map((path) => `${path}:${path}:ro`), `${process.execPath}:/node:ro`];
      await ok(
        [
          ...["run", "-d", "--name", name, "-h", name, "-p", `${web}:8080`, "-p", `${echo}:7000/udp`],
          ...[...volumes.flatMap((volume) => ["-v", volume]), "busybox", "/node", "-e", program],
        ],
        options,
      );
      assert.equal(await answerOf(web), name);
      assert.equal(await echoed(echo, "over UDP"), "over UDP");
      await ok(["rm", "-f", name]);
    }
  });

  test("an isolated network sees nothing of the machine's", async () => {
    const server = createServer((socket) => socket.end("seen\n"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as { port: number };
      const look = ["busybox", "sh", "-c", `nc -w 2 127.0.0.1 ${port} </dev/null || echo nothing`];
      assert.equal((await ok(["run", "--rm", ...look])).stdout, "seen\n");
      assert.equal((await ok(["run", "--rm", "--network", "bridge", ...look])).stdout, "nothing\n");
      assert.equal((await ok(["run", "--rm", "--network", "none", ...look])).stdout, "nothing\n");
    } finally {
      server.close();
    }
  });

  test("a detached container: logs, stop signal, wait, names and ids", async () => {
    const program = `trap 'echo bye >&2; exit 7' USR1; echo hello; printf 'no end'; while :; do sleep 0.05; done`;
    const { stdout } = await ok([
      "run",
      "-d",
      "--name",
      "job",
      "--stop-signal",
      "USR1",
      "busybox",
      "sh",
      "-c",
      program,
    ]);
    const id = stdout.trim();
    const following = sandbox.start(["logs", "-f", "job"]);
    const followed = finished(following);
    await eventually(
      async () => ((await ok(["logs", "job"])).stdout.includes("hello") ? true : undefined),
      "log",
    );
    const conflict = await run(["create", "--name", "job", "busybox"]);
    assert.match(
      conflict.stderr,
      new RegExp(`The container name "/job" is already in use by container "${id}"`),
    );
    const refused = await run(["rm", "job"]);
    assert.match(refused.stderr, /cannot remove container "\/job": container is running/);
    const waiting = run(["wait", id.slice(0, 12)]);
    assert.equal((await ok(["stop", "job"])).stdout, "job\n");
    assert.equal((await waiting).stdout, "7\n");
    assert.match(await status("job"), /Exited \(7\) /);
    const { stdout: out, stderr: errors, code } = await followed;
    assert.deepEqual([out, errors, code], ["hello\nno end", "bye\n", 0]);
    assert.equal(
      (await ok(["logs", "--tail", "1", "job"])).stderr + (await ok(["logs", "-n", "1", "job"])).stdout,
      "no end",
    );
    assert.match((await ok(["logs", "-t", "job"])).stdout, /^\d{4}-\d\d-\d\dT[\d:.]+Z hello\n/);
    const between = async (...flags: string[]): Promise<string> =>
      (await ok(["logs", ...flags, "job"])).stdout;
    assert.equal(await between("--since", "1h"), "hello\nno end");
    assert.equal(await between("--since", new Date(Date.now() + 3_600_000).toISOString()), "");
    assert.equal(await between("--until", "1h30m"), "");
    const first = Date.parse((await between("-t")).split(" ")[0] ?? "");
    assert.equal(await between("--until", `${first / 1000}`), "hello\n");
    assert.match((await run(["logs", "--since", "soon", "job"])).stderr, /--since soon: expected a time/);
    assert.equal((await ok(["rm", id.slice(0, 8)])).stdout, `${id.slice(0, 8)}\n`);
    const gone = await run(["logs", "job"]);
    assert.deepEqual([gone.code, gone.stderr.split("\n")[0]], [1, "ERROR: No such container: job"]);
    assert.equal((await run(["rm", "-f", "job"])).code, 0);
  });

  test("a supervisor that is killed takes its container along, and ps tells", async () => {
    const marker = `7${process.pid}${Date.now() % 1000}`;
    const { stdout } = await ok(["run", "-d", "--name", "orphan", "-p", "8080", "busybox", "sleep", marker]);
    const [supervisor] = processesWith(stdout.trim());
    assert.ok(supervisor !== undefined);
    process.kill(supervisor.pid, "SIGKILL");
    await noneLeft(() => processesWith(marker));
    await eventually(async () => (/Exited \(137\)/.test(await status("orphan")) ? true : undefined), "state");
    assert.equal((await ok(["rm", "orphan"])).stdout, "orphan\n");
  });

  test("images that containers are made of stay", async () => {
    const context = sandbox.files("used", {
      Dockerfile: "FROM busybox\nRUN echo mine > /mine\nCMD cat /mine\n",
    });
    await ok(["build", "-q", "-t", "used", context]);
    await ok(["create", "--name", "user", "used"]);
    const refused = await run(["rmi", "used"]);
    assert.match(
      refused.stderr,
      /conflict: unable to remove repository reference "used" \(must force\) - container [0-9a-f]{12} is using its referenced image [0-9a-f]{12}/,
    );
    await ok(["rmi", "-f", "used"]);
    await ok(["prune", "--all", "--force"]);
    await ok(["start", "user"]);
    assert.equal((await ok(["wait", "user"])).stdout, "0\n");
    assert.equal((await ok(["logs", "user"])).stdout, "mine\n");
    await ok(["rm", "user"]);
    await ok(["prune", "--all", "--force"]);
    assert.equal((await run(["run", "--rm", "busybox", "true"])).code, 0);
  });

  test("ps --filter and --format, inspect, container prune", async () => {
    const names = async (...filters: string[]): Promise<string[]> => {
      const flags = filters.flatMap((filter) => ["--filter", filter]);
      return (await ok(["ps", ...flags, "--format", "{{.Names}}"])).stdout.split("\n").slice(0, -1);
    };
    // What other tests left.
    await ok(["container", "prune", "-f"]);
    await ok(["create", "--name", "never", "--label", "team=a", "busybox"]);
    await run(["run", "--name", "failed", "busybox", "sh", "-c", "exit 4"]);
    await ok([
      "run",
      "-d",
      "--name",
      "server",
      "-p",
      "127.0.0.1::8080",
      "-e",
      "A=1",
      "busybox",
      "sleep",
      "1000",
    ]);
    assert.deepEqual(await names(), ["server"]);
    assert.deepEqual(await names("status=exited"), ["failed"]);
    assert.deepEqual(await names("status=created", "status=running"), ["server", "never"]);
    assert.deepEqual(await names("exited=4"), ["failed"]);
    assert.deepEqual(await names("name=^ser"), ["server"]);
    assert.deepEqual(await names("name=^/server$", "ancestor=busybox:latest"), ["server"]);
    assert.deepEqual(await names("ancestor=nosuch"), []);
    assert.deepEqual(await names("status=created", "label=team=a"), ["never"]);
    assert.deepEqual(await names("status=created", "label=team=b"), []);
    assert.match(
      (await run(["ps", "--filter", "color=red"])).stderr,
      /--filter color=red: expected ancestor, /,
    );
    const row = JSON.parse((await ok(["ps", "--format", "json"])).stdout);
    assert.deepEqual(
      [row.Names, row.State, row.Image, row.Networks],
      ["server", "running", "busybox", "bridge"],
    );

    const [server] = JSON.parse((await ok(["inspect", "server"])).stdout);
    const id = (await ok(["ps", "-q", "--no-trunc"])).stdout.trim();
    const { State, Config, NetworkSettings } = server;
    assert.deepEqual(
      [server.Id, server.Name, State.Status, State.Running, Config.Image, Config.Cmd],
      [id, "/server", "running", true, "busybox", ["sleep", "1000"]],
    );
    assert.ok(Config.Env.includes("A=1"));
    assert.match(readFileSync(`/proc/${State.Pid}/cmdline`, "latin1"), /^sleep/);
    assert.match(server.Image, /^sha256:/);
    const [binding] = NetworkSettings.Ports["8080/tcp"];
    assert.equal(binding.HostIp, "127.0.0.1");
    assert.match(binding.HostPort, /^\d+$/);
    const status = ["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}"];
    assert.equal((await ok([...status, "failed", "never"])).stdout, "exited 4\ncreated 0\n");
    assert.equal((await ok(["image", "inspect", "-f", "{{.Id}}", "busybox"])).stdout.trim(), server.Image);
    assert.match((await run(["container", "inspect", "busybox"])).stderr, /No such container: busybox/);
    assert.equal((await run(["inspect", "--type", "image", "server"])).code, 1);

    const refused = await run(["container", "prune"]);
    assert.match(refused.stderr, /would remove all containers that do not run/);
    await ok(["container", "prune", "-f", "--filter", "until=1h"]);
    assert.deepEqual(await names("status=exited"), ["failed"]);
    const { stdout } = await ok(["container", "prune", "-f"]);
    assert.match(stdout, /^Deleted Containers:\n([0-9a-f]{64}\n){2,}\nTotal reclaimed space: /);
    assert.equal((await ok(["ps", "-a", "--format", "{{.Names}}"])).stdout, "server\n");
    await ok(["rm", "-f", "server"]);
  });

  describe("cp", () => {
    const here = (...names: string[]): string => join(sandbox.directory, "cp", ...names);
    const text = (...names: string[]): string => readFileSync(here(...names), "utf8");
    const failure = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await run(["cp", ...args]);
      assert.equal(code, 1);
      return stderr.split("\n")[0] ?? "";
    };
    before(async () => {
      sandbox.files("cp", { "tree/a": "a\n", "tree/sub/b": "b\n", file: "file\n" });
      mkdirSync(here("empty"));
      await ok(["container", "create", "--name", "box", "busybox", "sh", "-c", "cat /in/a /in/sub/b"]);
    });

    test("into a container that was never started, and out of it", async () => {
      const { stderr } = await ok(["cp", here("tree"), "box:/in"]);
      assert.match(stderr, /^Successfully copied \S+ to box:\/in\n$/);
      await ok(["cp", here("tree"), "box:/in"]);
      await ok(["cp", `${here("tree")}/.`, "box:/in"]);
      await ok(["container", "cp", "-q", "box:/in", here("out")]);
      assert.deepEqual(readdirSync(here("out"), { recursive: true }).sort(), [
        ...["a", "sub", "sub/b", "tree", "tree/a", "tree/sub", "tree/sub/b"],
      ]);
      assert.equal(text("out/tree/sub/b"), "b\n");
      await ok(["cp", "box:/in/.", here("empty")]);
      assert.equal(text("empty/a"), "a\n");
      await ok(["cp", "box:/in/a", here("renamed")]);
      assert.equal(text("renamed"), "a\n");
      await ok(["cp", "box:/etc/passwd", "."], { cwd: here() });
      assert.match(text("passwd"), /^root:/);
      await ok(["start", "box"]);
      assert.equal((await ok(["wait", "box"])).stdout, "0\n");
      assert.equal((await ok(["logs", "box"])).stdout, "a\nb\n");
    });

    test("docker's refusals", async () => {
      assert.match(await failure("box:/nope", "."), /Could not find the file \/nope in container box/);
      assert.match(await failure("box:/etc", here("file")), /cannot copy directory/);
      assert.match(await failure("box:/etc/passwd", `${here("nowhere")}/`), /no such directory/);
      assert.match(await failure("box:/etc/passwd", here("nowhere/deep")), /does not exist/);
      assert.match(await failure(here("missing"), "box:/"), /no such file or directory/);
      assert.match(await failure("box:/a", "box:/b"), /between containers is not supported/);
      assert.match(await failure("nobody:/a", "."), /No such container: nobody/);
      assert.match(await failure("a", "b"), /must specify at least one container source/);
    });

    test("a tar on stdin and stdout", async () => {
      const archive = await tarOf("box:/in/sub");
      assert.equal(await listed(archive), "sub/\nsub/b\n");
      await finishedOk(["cp", "-", "box:/tmp"], archive);
      await ok(["cp", "box:/tmp/sub/b", here("from-tar")]);
      assert.equal(text("from-tar"), "b\n");
    });

    test("links of a container lead nowhere but inside it, also while it runs", async () => {
      const program = `ln -s / /up; ln -s ${here()} /away; mkdir /trap; ln -s ${here("file")} /trap/link; echo ready; sleep 1000`;
      await ok(["run", "-d", "--name", "hostile", "busybox", "sh", "-c", program]);
      await eventually(
        async () => ((await ok(["logs", "hostile"])).stdout === "ready\n" ? true : undefined),
        "start",
      );
      for (const state of ["running", "stopped"]) {
        assert.match(await failure("hostile:/away/file", here("stolen")), /Could not find the file/);
        assert.match(await failure("-L", "hostile:/trap/link", here("stolen")), /Could not find the file/);
        await ok(["cp", "-q", "hostile:/trap", here(`trap-${state}`)]);
        assert.ok(readdirSync(here(`trap-${state}`)).includes("link"));
        writeFileSync(here("evil"), "evil\n");
        assert.match(await failure(here("evil"), "hostile:/away/file"), /does not exist|no such/);
        await ok(["cp", "-q", here("evil"), "hostile:/up/landed"]);
        assert.equal(text("file"), "file\n");
        await ok(["cp", "-q", "hostile:/landed", here("landed")]);
        assert.equal(text("landed"), "evil\n");
        if (state === "running") await ok(["stop", "-t", "0", "hostile"]);
      }
      // What an earlier copy left here as a link is not written through.
      rmSync(here("trap-running"), { recursive: true });
      mkdirSync(here("trap-running"));
      symlinkSync(here("empty"), here("trap-running/trap"));
      assert.match(await failure("hostile:/trap", here("trap-running")), /cannot overwrite non-directory/);
    });

    test("owners, modes, and rights that files lend", async () => {
      const program =
        "mkdir /own; echo x > /own/tool; chown 1000:1001 /own/tool; chmod 4755 /own/tool; mknod /own/null c 1 3";
      await ok(["run", "--name", "owner", "busybox", "sh", "-c", program]);
      const { stderr } = await ok(["cp", "owner:/own", here("plain")]);
      assert.match(stderr, /own\/null is a device, and was left out/);
      const plain = statSync(here("plain/tool"));
      assert.deepEqual([plain.uid, plain.mode & 0o7777], [process.getuid?.(), 0o755]);
      await ok(["cp", "-a", "owner:/own/tool", here("kept")]);
      const kept = statSync(here("kept"));
      assert.deepEqual([kept.uid, kept.gid, kept.mode & 0o7777], [1000, 1001, 0o4755]);
    });

    async function tarOf(source: string): Promise<Buffer> {
      const chunks: Buffer[] = [];
      const child = sandbox.start(["cp", source, "-"]);
      child.stdout?.on("data", (data: Buffer) => chunks.push(data));
      assert.equal((await finished(child)).code, 0);
      return Buffer.concat(chunks);
    }
    const listed = (archive: Buffer): Promise<string> => tool("tar", ["-t"], { input: archive });
    async function finishedOk(args: string[], input: Buffer): Promise<Output> {
      return ok(args, { input });
    }
  });
});

function echoed(port: number, text: string): Promise<string> {
  const socket = createSocket("udp4");
  let answer: string | undefined;
  socket.on("message", (data) => {
    answer = data.toString();
  });
  return eventually(async () => {
    socket.send(text, port, "127.0.0.1");
    await sleep(100);
    return answer;
  }, `datagram on port ${port}`).finally(() => socket.close());
}
