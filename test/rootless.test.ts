import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { createUser, type OrdinaryUser, type UserRunOptions } from "./ordinary-user.ts";
import { cannotRunAsUser, createSandbox, isRoot, type Output, tool } from "./sandbox.ts";
import { eventually, noneLeft, processesWith } from "./waiting.ts";

const sandbox = createSandbox("rootless");
const archive = join(sandbox.directory, "busybox.tar");
/** Nothing else on the machine sleeps for so long. */
const marker = "86391";

/** Times are fixed, so that whoever builds it gets the same layers. */
const owners = `FROM busybox AS made
RUN mkdir /srv && echo one > /srv/one && echo two > /srv/two && chown 5:7 /srv/two && chmod 600 /srv/two \\
 && ln /srv/two /srv/hard && ln -s one /srv/soft && chmod 4755 /srv/one && rm -r /home && rm /bin/wget \\
 && mkdir /home \\
 && touch -h -d @1700000000 /srv/* /srv /home /bin
RUN chown 5 /srv/one && chmod 700 /srv && chown 33:33 /srv && rm /srv/soft && mkdir /w && chown 1000 /w \\
 && touch -d @1700000001 /srv/one /srv /w
USER 1000:1000
RUN id > /w/who && touch -d @1700000002 /w/who /w
FROM scratch
COPY --from=made /srv /srv
COPY --from=made /w/who /
`;

/** What a single id allows: owners other than root's come with COPY. */
const oneOwner = `FROM busybox AS made
COPY --chown=33:44 --chmod=640 Dockerfile /data/file
RUN echo more >> /data/file && echo new > /data/new && rm /bin/wget && touch -d @1700000000 /data/* /data /bin
RUN ! chown 5 /data/new && cp /data/new /copied && touch -d @1700000001 /copied /
`;

function expectOk(output: Output): Output {
  assert.equal(output.code, 0, `${output.stdout}\n${output.stderr}`);
  return output;
}

async function build(user: OrdinaryUser, dockerfile: string, name: string, options?: UserRunOptions) {
  const context = sandbox.files(name, { Dockerfile: dockerfile });
  return user.stagewright(
    ["build", "--progress", "plain", "-t", name, "--target", "made", "-o", "type=image", context],
    options,
  );
}

/** The layers that root's overlayfs makes of the same Dockerfile. */
async function layersAsRoot(dockerfile: string, name: string): Promise<string[]> {
  const context = sandbox.files(`${name}-root`, { Dockerfile: dockerfile });
  await sandbox.ok(["build", "-q", "-t", name, "--target", "made", context]);
  return rootfsLayers((await sandbox.ok(["inspect", name])).stdout);
}

function rootfsLayers(inspected: string): string[] {
  const json = JSON.parse(inspected) as unknown;
  const [image] = (Array.isArray(json) ? json : [json]) as { RootFS: { Layers: string[] } }[];
  return image!.RootFS.Layers;
}

async function listed(tar: string): Promise<string[]> {
  return (await tool("tar", ["tvf", tar, "--numeric-owner", "--full-time"])).split("\n");
}

function isAsleep(): boolean {
  return processesWith(`sleep ${marker}`).some(
    ({ command }) => command.startsWith("sleep") || command.startsWith("/bin/sh"),
  );
}

const skip = cannotRunAsUser();
let rich: OrdinaryUser;
let poor: OrdinaryUser;

before(async () => {
  if (!isRoot) return;
  chmodSync(sandbox.directory, 0o755);
  await sandbox.ok(["bootstrap", "busybox"]);
  await sandbox.ok(["save", "-o", archive, "busybox"]);
  chmodSync(archive, 0o644);
  rich = createUser({ directory: sandbox.directory, name: "rich", uid: 64_101, subordinate: 1_500_000_000 });
  poor = createUser({ directory: sandbox.directory, name: "poor", uid: 64_102 });
  for (const user of [rich, poor]) expectOk(await user.stagewright(["load", "-q", "-i", archive]));
});

describe("an ordinary user with subordinate ids", { skip }, () => {
  test("a RUN creates files of several owners, and the image has them; layers are those that root makes", async () => {
    expectOk(await build(rich, owners, "owners"));
    assert.deepEqual(
      rootfsLayers(expectOk(await rich.stagewright(["inspect", "owners"])).stdout),
      await layersAsRoot(owners, "owners"),
    );
    const tar = join(rich.home, "rootfs.tar");
    const context = join(sandbox.directory, "owners");
    expectOk(await rich.stagewright(["build", "-o", `type=tar,dest=${tar}`, context]));
    const listing = await tool("tar", ["tvf", tar, "--numeric-owner"]);
    assert.match(listing, /-rwxr-xr-x 5\/0 +4 .* srv\/one$/m);
    assert.match(listing, /[-h]rw------- 5\/7 +\d .* srv\/two( link to srv\/hard)?$/m);
    assert.match(await tool("tar", ["xOf", tar, "who"]), /^uid=1000 gid=1000/);
  });

  test("what was built is cached, and a cached build needs no namespace and no program", async () => {
    const context = join(sandbox.directory, "owners");
    const again = expectOk(
      await rich.run(["env", "PATH=", ...rich.command, "build", "--progress", "plain", context]),
    );
    assert.match(again.stderr, /CACHED/);
    assert.doesNotMatch(again.stderr, /DONE .*RUN/);
  });

  test("mounts of a step: bind, cache of another owner, tmpfs, secret", async () => {
    const context = sandbox.files("mounts", {
      token: "hush",
      Dockerfile: `FROM busybox AS base
RUN mkdir -m 700 /private && echo in > /private/file && chown -R 9:9 /private
FROM busybox
USER 1000
RUN --mount=type=bind,from=base,target=/base --mount=type=cache,target=/cache,uid=1000,gid=1000,mode=700 \\
    --mount=type=tmpfs,target=/scratch --mount=type=secret,id=token,uid=1000 --mount=target=/context \\
    ! cat /base/private/file && echo kept >> /cache/file && cat /run/secrets/token /context/Dockerfile > /dev/null \\
    && stat -c %u:%g /base/private /cache
`,
    });
    const secret = ["--secret", `id=token,src=${join(context, "token")}`];
    const built = expectOk(await rich.stagewright(["build", "--progress", "plain", ...secret, context]));
    assert.match(built.stderr, /9:9\n.*1000:1000/);
  });

  test("run: ids, exit code, signals", async () => {
    const ran = await rich.stagewright([
      "run",
      "--rm",
      "busybox",
      "sh",
      "-c",
      "chown 8 /tmp; stat -c %u /tmp; exit 9",
    ]);
    assert.deepEqual([ran.stdout, ran.code], ["8\n", 9], ran.stderr);
    const child = rich.start([
      ...["run", "--rm", "--user", "1000", "busybox"],
      ...["sh", "-c", "trap 'echo got; exit 3' TERM; echo up; while :; do sleep 0.05; done"],
    ]);
    let printed = "";
    child.stdout!.on("data", (data: Buffer) => {
      printed += data.toString();
      if (printed === "up\n") child.kill("SIGTERM");
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.deepEqual([code, printed], [3, "up\ngot\n"]);
  });

  test("a build that is killed leaves no process, no mount, and a store that works", async () => {
    const context = sandbox.files("killed", {
      Dockerfile: `FROM busybox\nRUN echo x > /x && chown 7 /x && mkdir -m 700 /d && touch /d/f && chown -R 7 /d && sleep ${marker}\n`,
    });
    const child = rich.start(["build", "--progress", "plain", context]);
    await eventually(() => isAsleep() || undefined, "step that sleeps");
    child.kill("SIGKILL");
    await noneLeft(() => processesWith(`sleep ${marker}`));
    await noneLeft(() => processesWith(rich.store));
    assert.doesNotMatch(readFileSync("/proc/self/mountinfo", "utf8"), /rich/);
    expectOk(await build(rich, "FROM busybox AS made\nRUN true\n", "after"));
    expectOk(await rich.stagewright(["rmi", "owners", "after"]));
    // What it left is removed, subordinate owners or not.
    expectOk(await rich.stagewright(["prune", "--all", "--force"]));
    const left = await tool("find", [rich.store, "-uid", "+1499999999"]);
    assert.equal(left, "");
  });

  test("doctor names the ids and the way of stacking", async () => {
    const { stdout } = await rich.stagewright(["doctor"]);
    assert.match(stdout, /^ok +privileges +a user namespace with 65537 ids/m);
    assert.match(stdout, /^ok +stacking +overlay/m);
    assert.match(stdout, /^note +cgroups/m);
  });
});

describe("an ordinary user with a single id", { skip }, () => {
  test("steps run as root; owners of what was there before are kept; layers are those that root makes", async () => {
    const dockerfile = oneOwner.replace("! chown 5 /data/new", "true");
    expectOk(await build(poor, oneOwner, "one"));
    expectOk(await build(poor, dockerfile, "same"));
    assert.deepEqual(
      rootfsLayers(expectOk(await poor.stagewright(["inspect", "same"])).stdout).slice(2),
      (await layersAsRoot(dockerfile, "same")).slice(2),
    );
  });

  test("another user is refused, with what to do", async () => {
    const { code, stderr } = await build(poor, "FROM busybox AS made\nUSER 1000\nRUN true\n", "user");
    assert.equal(code, 1);
    assert.match(stderr, /USER 1000 is 1000:0, which this user has no subordinate id for/);
    assert.match(stderr, /add-subuids/);
  });

  test("doctor says what is missing", async () => {
    const { stdout } = await poor.stagewright(["doctor"]);
    assert.match(stdout, /^note +privileges +a user namespace with one id.*subuid/m);
  });

  test("one user sees nothing of another's store", async () => {
    assert.equal(statSync(poor.store).mode & 0o077, 0);
    const looked = await poor.stagewright(["images", "--root", rich.store]);
    assert.notEqual(looked.code, 0);
    assert.doesNotMatch(looked.stdout, /busybox/);
    const { stdout } = await poor.stagewright(["images"]);
    assert.doesNotMatch(stdout, /owners/);
  });
});

test("a setting for steps that is none is refused", { skip }, async () => {
  const context = sandbox.files("settings", { Dockerfile: "FROM busybox\nRUN true\n" });
  for (const [name, value] of [
    ["STAGEWRIGHT_STORAGE", "btrfs"],
    ["STAGEWRIGHT_NETWORK", "moon"],
  ] as const) {
    const { code, stderr } = await sandbox.run(["build", context], { env: { [name]: value } });
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`${name}=${value}.*`));
    assert.match(stderr, /Hint: .*(overlay|isolated)/);
  }
});

describe("a store on overlayfs", { skip }, () => {
  const place = join(sandbox.directory, "container");
  /** Mounts an overlay on `container/m`, as the root filesystem of a container is one. */
  const mounted = `mkdir -p ${place}/l ${place}/u ${place}/w ${place}/m && chmod 777 ${place}/l ${place}/u && mount -t overlay overlay -o lowerdir=${place}/l,upperdir=${place}/u,workdir=${place}/w ${place}/m`;

  /** What udev does, where there is no udev. */
  const fuseForAll = `mkdir -p ${place}/fuse && mount -t tmpfs fuse ${place}/fuse && mknod -m 666 ${place}/fuse/node c 10 229 && mount --bind ${place}/fuse/node /dev/fuse`;
  const withoutFuse = existsSync("/dev/fuse") ? false : "this kernel has no FUSE: there is no /dev/fuse";

  async function asRoot(store: string, storage: string, args: readonly string[]): Promise<Output> {
    const env = { STAGEWRIGHT_ROOT: `${place}/m/${store}`, STAGEWRIGHT_STORAGE: storage };
    const command = `${mounted} && exec "$@"`;
    const { execPath } = process;
    const launched = [execPath, join(import.meta.dirname, "../bin/stagewright.cjs"), ...args];
    return expectOk(await rootRun(["unshare", "-m", "sh", "-c", command, "sh", ...launched], env));
  }

  for (const storage of ["fuse-overlayfs", "clone"])
    test(`root: ${storage}`, async () => {
      await asRoot(storage, storage, ["load", "-q", "-i", archive]);
      const context = sandbox.files("owners-overlay", { Dockerfile: owners });
      await asRoot(storage, storage, ["build", "-q", "-t", "owners", "--target", "made", context]);
      const { stdout } = await asRoot(storage, storage, ["inspect", "owners"]);
      assert.deepEqual(rootfsLayers(stdout).length, (await layersAsRoot(owners, "owners")).length);
      const tar = join(sandbox.directory, `${storage}.tar`);
      await asRoot(storage, storage, ["build", "-q", "-o", `type=tar,dest=${tar}`, context]);
      const expected = join(sandbox.directory, "expected.tar");
      await sandbox.ok(["build", "-q", "-o", `type=tar,dest=${expected}`, context]);
      assert.deepEqual(await listed(tar), await listed(expected));
      assert.ok(readFileSync(tar).equals(readFileSync(expected)));
      const { stdout: said } = await asRoot(storage, storage, ["doctor"]);
      assert.match(said, new RegExp(`^note +stacking +${storage}.*not overlay`, "m"));
    });

  for (const [name, storage] of [
    ["rich", "clone"],
    ["poor", "clone"],
    ["rich", "fuse-overlayfs"],
    ["poor", "fuse-overlayfs"],
  ] as const)
    test(`an ordinary user: ${name}, ${storage}`, {
      skip: storage === "clone" ? false : withoutFuse,
    }, async () => {
      const user = name === "rich" ? rich : poor;
      const store = `${place}/m/${name}-${storage}`;
      const options = {
        before: `${mounted} && mkdir -p ${store} && chown ${user.uid} ${store} && ${fuseForAll}`,
        env: { STAGEWRIGHT_ROOT: store, STAGEWRIGHT_STORAGE: storage },
      };
      const { stdout: said } = await user.stagewright(["doctor"], options);
      assert.match(said, new RegExp(`^note +stacking +${storage}.*not overlay`, "m"));
      expectOk(await user.stagewright(["load", "-q", "-i", archive], options));
      const dockerfile = name === "rich" ? owners : oneOwner.replace("! chown 5 /data/new", "true");
      expectOk(await build(user, dockerfile, `over-${name}`, options));
      const { stdout } = expectOk(await user.stagewright(["inspect", `over-${name}`], options));
      if (storage === "fuse-overlayfs") {
        // Those that RUN makes; the one of a COPY holds the time at which its directory was made.
        const made = name === "rich" ? 1 : 2;
        const expected = await layersAsRoot(dockerfile, `over-${name}`);
        assert.deepEqual(rootfsLayers(stdout).slice(made), expected.slice(made));
      }
      const ran = await user.stagewright(
        ["run", "--rm", "busybox", "sh", "-c", "rm /bin/wget; ls /bin/sh"],
        options,
      );
      assert.equal(ran.stdout, "/bin/sh\n", ran.stderr);
      await noneLeft(() => processesWith(store));
    });
});

async function rootRun(command: readonly string[], env: NodeJS.ProcessEnv): Promise<Output> {
  const { spawn } = await import("node:child_process");
  const { finished } = await import("./sandbox.ts");
  const { NODE_EXTRA_CA_CERTS: _, STAGEWRIGHT_FROM_SOURCE: __, ...own } = process.env;
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...own, ...env },
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  return finished(child);
}
