import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { createSandbox, isRoot } from "./sandbox.ts";

/** RUN's mounts, limits and privileges where several builds, or this machine, have a part in them. */
describe("RUN", { skip: isRoot ? false : "RUN needs root" }, () => {
  const sandbox = createSandbox("run-mounts");
  before(() => sandbox.ok(["bootstrap", "busybox"]));

  function context(name: string, lines: readonly string[], files: Record<string, string> = {}): string {
    return sandbox.files(name, { Dockerfile: `FROM busybox\n${lines.join("\n")}\n`, ...files });
  }

  async function output(args: readonly string[]): Promise<string> {
    return (await sandbox.ok(["build", "--progress=plain", "--no-cache", ...args])).stderr;
  }

  /** A shell function that waits up to half a minute for a file that another build makes. */
  const wait = "wait() { for i in $(seq 300); do test -e $1 && return; sleep 0.1; done; exit 9; };";
  /** A directory in which two builds meet. */
  const meeting = "--mount=type=cache,id=meeting,target=/m";

  /** Two builds of the same lines at the same time, which differ by `$ME` and `$OTHER`. */
  async function together(name: string, lines: readonly string[]): Promise<void> {
    const builds = ["a", "b"].map((me) =>
      output([
        context(`${name}-${me}`, [`ENV ME=${name}-${me} OTHER=${name}-${me === "a" ? "b" : "a"}`, ...lines]),
      ]),
    );
    await Promise.all(builds);
  }

  describe("a cache mount of two builds at once", () => {
    test("shared: both write and read the same directory", () =>
      together("shared", [
        `RUN --mount=type=cache,id=shared,target=/c ${wait} touch /c/$ME; wait /c/$OTHER; echo met`,
      ]));

    test("locked: one waits until the other is done", async () => {
      await together("locked", [
        "RUN --mount=type=cache,id=locked,target=/c,sharing=locked test ! -e /c/busy && touch /c/busy && sleep 0.5 && rm /c/busy && echo $ME >> /c/all",
      ]);
      const counted = await output([
        context("locked-count", [
          "RUN --mount=type=cache,id=locked,target=/c,sharing=locked echo lines $(wc -l < /c/all)",
        ]),
      ]);
      assert.match(counted, / lines 2$/m);
    });

    test("private: each has one of its own, and a later build one of those", async () => {
      const mounts = `${meeting} --mount=type=cache,id=private,target=/c,sharing=private`;
      await together("private", [
        `RUN ${mounts} ${wait} touch /c/$ME /m/$ME; wait /m/$OTHER; test ! -e /c/$OTHER; touch /m/$ME.seen; wait /m/$OTHER.seen`,
      ]);
      const later = await output([
        context("private-later", [
          "RUN --mount=type=cache,id=private,target=/c,sharing=private echo has $(ls /c | wc -l)",
        ]),
      ]);
      assert.match(later, / has 1$/m);
    });

    test("locked twice over, in either order: no build waits for ever", async () => {
      const mount = (id: string) => `--mount=type=cache,id=${id},target=/${id},sharing=locked`;
      const run = (...ids: string[]) => `RUN ${ids.map(mount).join(" ")} sleep 0.2`;
      await Promise.all([
        output([context("order-a", [run("x", "y"), run("y", "x"), run("x", "y")])]),
        output([context("order-b", [run("y", "x"), run("x", "y"), run("y", "x")])]),
      ]);
    });
  });

  test("a cache that begins with a directory of a context, and one whose beginning changed", async () => {
    const seed = sandbox.files("seed", { "deep/file": "one\n" });
    const directory = context("from", [
      "RUN --mount=type=cache,id=f,target=/c,from=seed,source=deep cat /c/file; echo changed > /c/file",
    ]);
    const build = () => output([directory, `--build-context=seed=${seed}`]);
    assert.match(await build(), / one$/m);
    assert.match(await build(), / changed$/m);
    sandbox.files("seed", { "deep/file": "another\n" });
    assert.match(await build(), / another$/m);
  });

  test("what is written to a bind mount is thrown away, and reaches no source", async () => {
    const directory = context(
      "rw",
      [
        "RUN --mount=target=/src,rw echo changed > /src/file && touch /src/new && cat /src/file",
        "RUN --mount=target=/src cat /src/file && ! test -e /src/new",
      ],
      { file: "original\n" },
    );
    const printed = await output([directory]);
    assert.match(printed, / changed$/m);
    assert.match(printed, / original$/m);
    assert.equal(readFileSync(`${directory}/file`, "utf8"), "original\n");
    assert.ok(!existsSync(`${directory}/new`));
  });

  test("--security=insecure and --network=host are granted by --allow, or refused with their line", async () => {
    const insecure = context("insecure", [
      "RUN --security=insecure mkdir /x && mount -t tmpfs none /x && grep CapEff /proc/self/status",
    ]);
    const host = context("host", ["RUN --network=host true"]);
    for (const [directory, entitlement] of [
      [insecure, "security.insecure"],
      [host, "network.host"],
    ] as const) {
      const refused = await sandbox.run(["build", directory]);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /^Dockerfile:2$/m);
      assert.match(refused.stderr, new RegExp(`^ERROR: ${entitlement} is not allowed$`, "m"));
      assert.match(refused.stderr, new RegExp(`--allow ${entitlement}`));
    }
    const own = /^CapEff:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
    assert.match(await output([insecure, "--allow=security.insecure"]), new RegExp(`CapEff:\\t${own}$`, "m"));
    await sandbox.ok(["build", "--no-cache", host, "--allow=network.host"]);
    await sandbox.ok(["build", "--no-cache", host, "--network=host"]);
    const unknown = await sandbox.run(["build", host, "--allow=everything"]);
    assert.match(unknown.stderr, /unknown entitlement everything/);
  });

  test("--device: one that must be there is refused, any other is left out with a warning", async () => {
    const printed = await output([context("device", ["RUN --device=vendor.example/gpu echo without"])]);
    assert.match(printed, / without$/m);
    assert.match(printed, /Optional device "vendor.example\/gpu" is not registered/);
    const required = context("device-required", ["RUN --device=vendor.example/gpu,required true"]);
    const refused = await sandbox.run(["build", required]);
    assert.match(refused.stderr, /required device "vendor.example\/gpu" is not registered/);
    assert.match(refused.stderr, /^Dockerfile:2$/m);
  });

  test("--add-host: addresses of both kinds, and this machine", async () => {
    const directory = context("hosts", ["RUN cat /etc/hosts"]);
    const printed = await output([
      directory,
      ...["--add-host=db:10.1.2.3", "--add-host=six=[2001:db8::1]", "--add-host=me:host-gateway"],
    ]);
    for (const line of ["10.1.2.3\tdb", "2001:db8::1\tsix", "127.0.0.1\tme"])
      assert.ok(printed.includes(`${line}\n`), `${line} in ${printed}`);
  });

  test("--cgroup-parent: the step's group is below it while it runs, where steps can have groups", async () => {
    const parent = `stagewright-test-${process.pid}`;
    const directory = context("cgroup", ["RUN true"]);
    const places = ["", ...readdirSync("/sys/fs/cgroup")].map((name) => join("/sys/fs/cgroup", name, parent));
    try {
      const args = ["build", "--progress=plain", directory, `--cgroup-parent=/${parent}`];
      const { code, stderr } = await sandbox.run(args);
      if (code !== 0) return assert.match(stderr, /a step can have no control group here/);
      // What was asked for is made where it is missing, and stays; the steps' own groups are gone.
      const made = places.filter(existsSync);
      assert.notEqual(made.length, 0);
      for (const place of made)
        assert.ok(!readdirSync(place).some((name) => name.startsWith("stagewright")), place);
    } finally {
      for (const place of places.filter(existsSync)) rmdirSync(place);
    }
    const systemd = await sandbox.run(["build", directory, "--no-cache", "--cgroup-parent=system.slice:a:"]);
    assert.match(systemd.stderr, /systemd is not asked for groups/);
  });

  test("mistakes in the flags are named before anything is built", async () => {
    const directory = context("mistakes", ["RUN true"]);
    for (const [flag, message] of [
      ["--ulimit=nofile", "invalid ulimit argument: nofile"],
      ["--ulimit=files=1", "invalid ulimit type: files"],
      ["--ulimit=nofile=3:2", "ulimit soft limit must be less than or equal to hard limit: 3 > 2"],
      ["--ulimit=nofile=1:2:3", "too many limit value arguments"],
      ["--shm-size=much", "--shm-size: invalid size: 'much'"],
      ["--add-host=name", "invalid host name"],
      ["--add-host=name:nowhere", "invalid host name:nowhere"],
      ["--secret=src=x", "secret missing ID"],
      ["--secret=id=x,kind=y", "unexpected key 'kind' in 'kind=y'"],
      ["--network=bridge", "--network bridge: default, none or host"],
    ] as const) {
      const { code, stderr } = await sandbox.run(["build", directory, flag]);
      assert.equal(code, 1, flag);
      assert.ok(stderr.includes(`ERROR: ${message}`) || stderr.includes(message), `${flag}: ${stderr}`);
      assert.doesNotMatch(stderr, /load build definition/, flag);
    }
  });
});
