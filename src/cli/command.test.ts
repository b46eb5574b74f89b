import assert from "node:assert/strict";
import { test } from "node:test";
import type { BuildError } from "../core/index.ts";
import { type Command, parseCall } from "./command.ts";

const command: Command = {
  name: "build",
  summary: "",
  usage: "[OPTIONS] PATH",
  flags: [
    { name: "tag", short: "t", value: "NAME", many: true, help: "" },
    { name: "no-cache", help: "" },
    { name: "quiet", short: "q", help: "" },
    { name: "interactive", short: "i", help: "" },
    { name: "squash", help: "", refused: "layers are kept" },
    {
      name: "sbom",
      value: "",
      valueIfAlone: "true",
      help: "",
      refused: "nobody writes one",
      accepted: ["false"],
    },
  ],
  minArgs: 1,
  maxArgs: 1,
  examples: [],
  run: async () => 0,
};

test("flags in every form that docker takes", () => {
  for (const argv of [
    ["-t", "a", "--tag", "b", "--tag=c", "-td", "-t=e", ".", "--no-cache", "-qi"],
    [".", "-qit", "a", "-tb", "--tag", "c", "-t=d", "--tag=e", "--no-cache=true"],
  ]) {
    const call = parseCall(command, argv);
    assert.deepEqual(call.all("tag"), ["a", "b", "c", "d", "e"]);
    assert.equal(call.get("tag"), "e");
    assert.deepEqual([call.is("no-cache"), call.is("quiet"), call.is("interactive")], [true, true, true]);
    assert.deepEqual(call.args, ["."]);
  }
});

test("a switch can be set to false; a value may hold =", () => {
  const call = parseCall(command, ["--no-cache=false", "--tag=a=b", "-"]);
  assert.deepEqual(
    [call.is("no-cache"), call.given("no-cache"), call.get("tag"), call.args],
    [false, true, "a=b", ["-"]],
  );
});

test("after -- everything is an argument, and with stopAtArgument after the first one", () => {
  assert.deepEqual(parseCall(command, ["--", "-t"]).args, ["-t"]);
  const run = { ...command, stopAtArgument: true, maxArgs: 9 };
  assert.deepEqual(parseCall(run, ["-q", "image", "ls", "-t", "x"]).args, ["image", "ls", "-t", "x"]);
});

test("mistakes are named, with what was probably meant", () => {
  const message = (argv: string[]) => {
    try {
      parseCall(command, argv);
    } catch (error) {
      const { message, hint } = error as BuildError;
      return `${message} | ${hint?.split("\n")[0]}`;
    }
    return "accepted";
  };
  assert.match(message(["--no-cahce", "."]), /^unknown flag: --no-cahce \| did you mean --no-cache\?/);
  assert.match(message(["-z", "."]), /^unknown shorthand flag: 'z' in -z/);
  assert.match(message([".", "-t"]), /^flag needs an argument: -t/);
  assert.match(message([]), /^"stagewright build" requires exactly 1 argument \|/);
  assert.match(message(["a", "b"]), /^"stagewright build" requires exactly 1 argument \|/);
  assert.match(message(["--no-cache=maybe", "."]), /^invalid argument "maybe" for "--no-cache"/);
  assert.match(message(["--sbom", "."]), /^--sbom is not supported: nobody writes one/);
  assert.match(message(["--sbom=true", "."]), /^--sbom is not supported: nobody writes one/);
  assert.equal(message(["--sbom=false", "."]), "accepted");
  assert.match(message(["--squash", "."]), /^--squash is not supported: layers are kept/);
});

test("every flag of docker run is carried out or refused with a reason, each name and letter once", async () => {
  const { command: run } = await import("./commands/run.ts");
  for (const key of ["name", "short"] as const) {
    const words = run.flags.map((flag) => flag[key]).filter((word) => word !== undefined);
    assert.deepEqual(words, [...new Set(words)]);
  }
  const refusal = (...words: string[]): string => {
    try {
      parseCall(run, [...words, "image"]);
    } catch (error) {
      return (error as BuildError).message;
    }
    return "accepted";
  };
  assert.match(refusal("--cpus", "2"), /^--cpus is not supported: containers have no limits/);
  assert.match(refusal("-m", "1g"), /^--memory is not supported: /);
  assert.match(refusal("--dns=192.0.2.1"), /^--dns is not supported: the name servers are the machine's/);
  assert.match(refusal("--security-opt=x"), /^--security-opt is not supported: /);
  assert.equal(refusal("--no-healthcheck", "--restart=no", "--privileged=false"), "accepted");
  const docker = [
    ...[
      "add-host",
      "attach",
      "cap-add",
      "cap-drop",
      "cgroup-parent",
      "cidfile",
      "cpu-shares",
      "cpus",
      "detach",
    ],
    ...[
      "device",
      "dns",
      "entrypoint",
      "env",
      "env-file",
      "expose",
      "gpus",
      "group-add",
      "health-cmd",
      "hostname",
    ],
    ...[
      "init",
      "interactive",
      "ip",
      "ipc",
      "isolation",
      "label",
      "link",
      "log-driver",
      "mac-address",
      "memory",
    ],
    ...[
      "mount",
      "name",
      "network",
      "network-alias",
      "pid",
      "pids-limit",
      "platform",
      "privileged",
      "publish",
    ],
    ...["publish-all", "pull", "quiet", "read-only", "restart", "rm", "runtime", "security-opt", "shm-size"],
    ...[
      "sig-proxy",
      "stop-signal",
      "stop-timeout",
      "storage-opt",
      "sysctl",
      "tmpfs",
      "tty",
      "ulimit",
      "user",
    ],
    ...["userns", "uts", "volume", "volumes-from", "workdir"],
  ];
  assert.deepEqual(
    docker.filter((name) => !run.flags.some((flag) => flag.name === name)),
    [],
  );
});
