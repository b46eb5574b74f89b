import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { addressOfMachine, type NetworkMachine, openMachine, ports } from "./network-machine.ts";
import { createUser, type OrdinaryUser } from "./ordinary-user.ts";
import { cannotRunAsUser, createSandbox, finished, launcher, type Output, tool } from "./sandbox.ts";

const sandbox = createSandbox("networks");
const archive = join(sandbox.directory, "busybox.tar");

/** Asks around. The input of `nc` stays open: the pasta of Debian 12 has trouble with connections that one side closed. */
const probe = `mkfifo /tmp/open; exec 3<>/tmp/open
ask() { { timeout $1 nc $2 $3 <&3 | head -n 1; } 2>/dev/null; }
echo "outward: $(ask 10 ${addressOfMachine} ${ports.greeting})"
echo "host-gateway: $(ask 10 builder ${ports.greeting})"
echo "name: $(nslookup -type=a some.example | tail -n 2 | grep Address)"
for host in 127.0.0.1 10.0.2.2 ${addressOfMachine}; do echo "loopback, $host: $(ask 2 $host ${ports.loopback})"; done
`;
const found = `outward: the machine
host-gateway: the machine
name: Address: ${addressOfMachine}
loopback, 127.0.0.1: 
loopback, 10.0.2.2: 
loopback, ${addressOfMachine}: 
`;
const builder = ["--add-host", "builder:host-gateway"];
const container = ["run", "--rm", "--network", "bridge", ...builder, "busybox", "sh", "-c"];

/** What the RUN step of a build printed. */
function printed({ code, stdout, stderr }: Output): string {
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  return [...stderr.matchAll(/^#\d+ [\d.]+ (.*\n)/gm)].map(([, line]) => line).join("");
}

interface Caller {
  readonly name: string;
  stagewright(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Output>;
}

const skip = cannotRunAsUser();
const users: OrdinaryUser[] = [];

before(async () => {
  if (skip) return;
  chmodSync(sandbox.directory, 0o755);
  await sandbox.ok(["bootstrap", "busybox"]);
  await sandbox.ok(["save", "-o", archive, "busybox"]);
  chmodSync(archive, 0o644);
  const { directory } = sandbox;
  users.push(createUser({ directory, name: "rich", uid: 64_111, subordinate: 1_620_000_000 }));
  users.push(createUser({ directory, name: "poor", uid: 64_112 }));
  for (const user of users) await user.ok(["load", "-q", "-i", archive]);
});

function callers({ enter }: NetworkMachine): Caller[] {
  const root = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Output> => {
    const [program = "", ...words] = [...enter, process.execPath, launcher, ...args];
    const options = { env: { ...process.env, STAGEWRIGHT_ROOT: sandbox.store, ...env }, timeout: 120_000 };
    return finished(spawn(program, words, options));
  };
  return [
    { name: "root", stagewright: root },
    ...users.map(({ uid, stagewright }) => ({
      name: `user ${uid}`,
      stagewright: (args: readonly string[], env?: NodeJS.ProcessEnv) =>
        stagewright(args, { within: enter, ...(env === undefined ? {} : { env }) }),
    })),
  ];
}

/** What is at a URL that is served soon, as seen from a machine. */
async function fetched({ enter }: NetworkMachine, url: string): Promise<string> {
  const program = `const get = (left) => fetch("${url}").then((answer) => answer.text()).then(console.log,
    (error) => left === 0 ? Promise.reject(error) : setTimeout(get, 100, left - 1)); get(100);`;
  return (await tool("nsenter", [...enter.slice(1), process.execPath, "-e", program])).replace(/\n$/, "");
}

for (const [program, runtime, lacking] of [
  ["pasta", "crun", ["slirp4netns"]],
  ["slirp4netns", "runc", ["pasta", "crun"]],
] as const)
  describe(`isolated networks by ${program}, under ${runtime}`, { skip }, () => {
    let machine: NetworkMachine;
    before(async () => {
      machine = await openMachine(sandbox, lacking);
    });
    after(() => machine?.close());
    /** For root, a user with subordinate ids, and one without; all at once, for most of it is waiting. */
    const forAll = (check: (caller: Caller) => Promise<void>): Promise<unknown> =>
      Promise.all(callers(machine).map(check));

    test("a RUN step reaches the machine and its name server, but not what listens on its loopback", async () => {
      const context = sandbox.files(program, { Dockerfile: `FROM busybox\nRUN <<EOF\n${probe}EOF\n` });
      const args = ["build", "--no-cache", "--progress", "plain", ...builder, context];
      await forAll(async ({ name, stagewright }) => {
        const output = await stagewright(args, { STAGEWRIGHT_NETWORK: "isolated" });
        assert.equal(printed(output), found, name);
      });
    });

    test("and so does a container", async () => {
      await forAll(async ({ name, stagewright }) => {
        const { stdout, stderr } = await stagewright([...container, probe]);
        assert.equal(stdout, found, `${name}: ${stderr}`);
      });
      const shared = `nc 127.0.0.1 ${ports.loopback} </dev/null`;
      const [root] = callers(machine);
      const { stdout } = await root!.stagewright(["run", "--rm", "busybox", "sh", "-c", shared]);
      assert.equal(stdout, "its loopback\n");
    });

    test("a container with a terminal", async () => {
      await forAll(async ({ name, stagewright }) => {
        const args = ["run", "--rm", "-t", "--network", "bridge", "busybox", "sh", "-c", "tty; hostname -i"];
        const { stdout, stderr } = await stagewright(args);
        assert.match(stdout, /^\/dev\/pts\/\d+\r\n10\.0\.2\.100\r\n$/, `${name}: ${stderr}`);
      });
    });

    test("doctor names the programs", async () => {
      await forAll(async ({ name, stagewright }) => {
        const { stdout } = await stagewright(["doctor"]);
        assert.match(stdout, new RegExp(`^ok +runtime +${runtime} `, "m"), name);
        assert.match(stdout, new RegExp(`^(ok|note) +network +isolated by ${program} `, "m"), name);
      });
    });

    test("a published port", async () => {
      const [root] = callers(machine);
      const serve = "mkdir /www && echo served > /www/index.html && exec httpd -f -p 8080 -h /www";
      const args = [
        "run",
        "-d",
        "--name",
        program,
        "-p",
        "127.0.0.1:9000:8080",
        "busybox",
        "sh",
        "-c",
        serve,
      ];
      const started = await root!.stagewright(args);
      try {
        assert.equal(started.code, 0, started.stderr);
        assert.equal(await fetched(machine, "http://127.0.0.1:9000/"), "served\n");
      } finally {
        await root!.stagewright(["rm", "-f", program]);
      }
    });

    test("a connection that the container has closed on its side brings the answer, or doctor warns", async () => {
      const question = `echo question | timeout 20 nc ${addressOfMachine} ${ports.patient}`;
      await forAll(async ({ name, stagewright }) => {
        const { stdout: said } = await stagewright(["doctor"]);
        if (/^note +network +isolated by pasta .* older than 2025: connections .* may hang/m.test(said))
          return;
        const { stdout, code } = await stagewright([...container, question]);
        assert.deepEqual([stdout, code], ["after the end of question\n", 0], name);
      });
    });
  });
