import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chownSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { cannotRunAsUser, checkout, createSandbox, finished, isRoot, nodeForAll, tool } from "./sandbox.ts";

const nobody = 65534;
const sandbox = createSandbox("nobody");
const home = join(sandbox.directory, "home");
const prefix = join(sandbox.directory, "prefix");
const installedLauncher = join(prefix, "node_modules", "stagewright", "bin", "stagewright.cjs");

/** The command line as `nobody`, who finds no program on an empty PATH. */
function asNobody(args: readonly string[]) {
  const child = spawn(nodeForAll(sandbox), [installedLauncher, ...args], {
    cwd: home,
    uid: nobody,
    gid: nobody,
    env: { PATH: "", STAGEWRIGHT_ROOT: join(home, "store") },
    stdio: ["pipe", "pipe", "pipe"],
  });
  return finished(child);
}

describe("the installed package, without privileges and without tools", {
  skip: isRoot ? false : "needs root to become nobody",
}, () => {
  before(async () => {
    mkdirSync(home);
    chownSync(home, nobody, nobody);
    await tool("chmod", ["755", sandbox.directory]);
    const pack = ["pack", "--ignore-scripts", "--pack-destination", sandbox.directory];
    await tool("npm", pack, { cwd: checkout });
    const [archive = ""] = readdirSync(sandbox.directory).filter((name) => name.endsWith(".tgz"));
    mkdirSync(prefix);
    const install = [
      "install",
      "--no-audit",
      "--no-fund",
      "--prefix",
      prefix,
      join(sandbox.directory, archive),
    ];
    await tool("npm", install, { cwd: prefix });
    await sandbox.ok(["bootstrap", "busybox"]);
    await sandbox.ok(["save", "-o", join(home, "busybox.tar"), "busybox"]);
    chownSync(join(home, "busybox.tar"), nobody, nobody);
  });

  test("a COPY-only multi-stage build works, owners and modes included", async () => {
    const loaded = await asNobody(["load", "-i", "busybox.tar"]);
    assert.equal(loaded.code, 0, loaded.stderr);
    sandbox.files("home/context", {
      "app/main": "program",
      "app/data/one": "1",
      "app/data/two": "2",
      "app/.dockerignore": "",
      ".dockerignore": "**/two\n",
      Dockerfile: `FROM busybox AS assets
WORKDIR /assets
COPY app/data .
COPY --chown=daemon:daemon --chmod=4750 app/main /assets/bin/main
FROM scratch
COPY --from=assets /assets /app
COPY --from=busybox /bin/busybox /bin/
COPY <<EOF /etc/motd
hello
EOF
USER 1000
CMD ["/app/bin/main"]
`,
    });
    const output = ["-o", "type=tar,dest=rootfs.tar", "-o", "type=oci,dest=image.tar"];
    const built = await asNobody(["build", "-t", "app", ...output, "context"]);
    assert.equal(built.code, 0, built.stderr);
    const listing = await tool("tar", ["tvf", join(home, "rootfs.tar"), "--numeric-owner"]);
    assert.match(listing, /-rwsr-x--- 1\/1 +7 .* \.?\/?app\/bin\/main$/m);
    assert.match(listing, /-rw-r--r-- 0\/0 +1 .* \.?\/?app\/one$/m);
    assert.doesNotMatch(listing, /two/);
    const again = await asNobody(["build", "-t", "app", "--progress", "plain", "context"]);
    assert.match(again.stderr, /CACHED/);
    assert.equal(again.code, 0, again.stderr);
    assert.ok(readFileSync(join(home, "image.tar")).length > 0);
  });

  test("a RUN works too, in a user namespace", { skip: cannotRunAsUser() }, async () => {
    sandbox.files("home/run", { Dockerfile: "FROM busybox\nRUN test $(id -u) = 0\n" });
    const built = await asNobody(["build", "run"]);
    assert.equal(built.code, 0, built.stderr);
  });
});
