import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  busyboxLayer,
  cannotRunSteps,
  cannotRunWith,
  remove,
  temporaryDirectory,
} from "../executor/testing/busybox.ts";
import { inTerminal } from "./testing/terminal.ts";
import { parseVolume } from "./volume.ts";

test("volumes", () => {
  assert.deepEqual(parseVolume("/a:/b"), { source: "/a", target: "/b", readonly: false });
  assert.deepEqual(parseVolume("/a:/b/../c:ro"), { source: "/a", target: "/c", readonly: true });
  for (const bad of ["name:/b", "/a", "/a:b", "/a:/", "/a:/b:z", "/a:/b:ro:x", ""])
    assert.throws(() => parseVolume(bad), { code: "invalid-argument" }, bad);
});

describe("running a container", { skip: cannotRunSteps() }, () => {
  let base: string;
  before(() => {
    base = temporaryDirectory();
    busyboxLayer(join(base, "layer"));
  });
  after(() => remove(base));

  const program = join(import.meta.dirname, "testing/run.ts");
  const argumentsOf = (options: object): string[] => [
    program,
    base,
    JSON.stringify({ command: [], config: {}, ...options }),
  ];

  function run(options: object, input = ""): { code: number | null; stdout: string; stderr: string } {
    const { status, stdout, stderr } = spawnSync(process.execPath, argumentsOf(options), {
      input,
      encoding: "utf8",
    });
    return { code: status, stdout, stderr };
  }

  test("command, entrypoint and exit code", () => {
    const config = { Entrypoint: ["/bin/echo", "entry"], Cmd: ["cmd"] };
    assert.equal(run({ config }).stdout, "entry cmd\n");
    assert.equal(run({ config, command: ["own"] }).stdout, "entry own\n");
    assert.deepEqual(run({ config, entrypoint: "/bin/true" }), { code: 0, stdout: "", stderr: "" });
    assert.equal(run({ command: ["sh", "-c", "exit 7"] }).code, 7);
    assert.equal(run({ command: ["/nope"] }).code, 127);
    assert.match(run({}).stderr, /no command specified/);
  });

  test("environment, host name, user and working directory", () => {
    const config = { Env: ["PATH=/bin", "A=image", "B=image"], User: "joe", WorkingDir: "/tmp" };
    const { stdout } = run({
      config,
      env: ["B=own"],
      command: [
        "sh",
        "-c",
        "echo $A $B $HOME $PATH; id -un; pwd; hostname; cat /etc/hostname; echo $HOSTNAME",
      ],
    });
    const lines = stdout.split("\n");
    assert.deepEqual(lines.slice(0, 3), ["image own /home/joe /bin", "joe", "/tmp"]);
    assert.match(lines[3]!, /^[0-9a-f]{12}$/);
    assert.deepEqual([lines[4], lines[5]], [lines[3], lines[3]]);
    assert.equal(
      run({ config, user: "0", workdir: "/etc", command: ["sh", "-c", "id -u; pwd"] }).stdout,
      "0\n/etc\n",
    );
  });

  test("stdin is empty, or the caller's", () => {
    assert.equal(run({ command: ["cat"] }, "hello").stdout, "");
    assert.equal(run({ command: ["cat"], interactive: true }, "hello").stdout, "hello");
  });

  test("volumes are mounted, and what is written elsewhere is thrown away", () => {
    const shared = join(base, "shared");
    mkdirSync(shared);
    writeFileSync(join(shared, "in"), "in\n");
    const command = [
      "sh",
      "-c",
      "cat /v/in; echo out > /v/out; (echo x > /r/x) 2>/dev/null || echo ro; echo x > /gone",
    ];
    const volumes = [
      { source: shared, target: "/v", readonly: false },
      { source: shared, target: "/r", readonly: true },
    ];
    assert.equal(run({ command, volumes }).stdout, "in\nro\n");
    assert.equal(readFileSync(join(shared, "out"), "utf8"), "out\n");
    assert.equal(run({ command: ["ls", "/gone"] }).code, 1);
  });

  test("signals reach the program", async () => {
    const child = spawn(
      process.execPath,
      argumentsOf({
        command: ["sh", "-c", "trap 'echo got; exit 9' TERM; echo up; while :; do sleep 0.05; done"],
      }),
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    let output = "";
    child.stdout.on("data", (data: Buffer) => {
      output += data.toString();
      if (output === "up\n") child.kill("SIGTERM");
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.deepEqual([code, output], [9, "up\ngot\n"]);
  });

  for (const runtime of ["crun", "runc"])
    for (const network of ["host", "isolated"])
      test(`${runtime}, ${network} network: a terminal, which is resized, and where Ctrl-C is the program's`, {
        skip: cannotRunWith(runtime),
      }, async () => {
        const args = argumentsOf({ command: ["sh"], tty: true, interactive: true, runtime, network });
        const session = inTerminal(process.execPath, args, { columns: 91, rows: 33 });
        try {
          await session.shows(/# /);
          session.type("tty; echo $TERM; stty size\r");
          await session.shows(/\n\/dev\/pts\/\d+\r\nxterm\r\n33 91\r\n/);
          session.type(`until [ "$(stty size)" = "20 70" ]; do sleep 0.05; done; echo re''sized\r`);
          session.resize({ columns: 70, rows: 20 });
          await session.shows(/resized\r\n/);
          session.type("echo go''ing; sleep 1000\r");
          await session.shows(/going/);
          session.type("\x03");
          await session.shows(/# /);
          session.type("exit 5\r");
          assert.equal(await session.exited, 5);
        } finally {
          session.kill();
        }
      });

  test("what a short program prints on a terminal comes out, however busy the machine is", async () => {
    const args = argumentsOf({ command: ["echo", "short"], tty: true });
    const outputs = Array.from({ length: 8 }, async () => {
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      let output = "";
      for await (const data of child.stdout) output += data;
      return output;
    });
    assert.deepEqual(new Set(await Promise.all(outputs)), new Set(["short\r\n"]));
  });

  test("exit codes and an address on an isolated network, by either runtime", {
    skip: cannotRunWith("runc"),
  }, () => {
    const network = "isolated";
    assert.equal(run({ runtime: "runc", network, command: ["sh", "-c", "exit 7"] }).code, 7);
    assert.equal(run({ runtime: "runc", network, command: ["/nope"] }).code, 127);
    const look = ["sh", "-c", "ip -4 address | grep -c 10.0.2.100/24; hostname -i"];
    for (const runtime of ["crun", "runc"])
      assert.equal(run({ runtime, network, command: look }).stdout, "1\n10.0.2.100\n", runtime);
  });
});
