import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { cannotRunSteps, remove, temporaryDirectory } from "./testing/busybox.ts";

/** Makes an executor in a process of its own, started by `wrapper`; gives back what it printed. */
function makeExecutor(
  wrapper: readonly string[],
  stateDir: string,
  before = "",
  env: NodeJS.ProcessEnv = process.env,
): string {
  const program = `
    import { createExecutor } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    ${before}
    try {
      const executor = await createExecutor({ stateDir: ${JSON.stringify(stateDir)} });
      console.log("made", executor.runtime);
    } catch (error) {
      console.log(error.code + ": " + error.message + " | " + error.hint);
    }`;
  const command = [...wrapper, process.execPath, "--input-type=module-typescript", "-e", program];
  const { stdout, stderr } = spawnSync(command[0]!, command.slice(1), {
    encoding: "utf8",
    env,
    timeout: 20_000,
  });
  assert.equal(stderr, "");
  return stdout;
}

describe("a machine that cannot run steps says why", { skip: cannotRunSteps() }, () => {
  let base: string;
  before(() => {
    base = temporaryDirectory();
  });
  after(() => remove(base));

  test("it can where everything is there, and an executor that nobody closes keeps no process alive", () => {
    assert.match(makeExecutor([], join(base, "run")), /^made (crun|runc) \d/);
  });

  const noNamespaces =
    spawnSync("unshare", ["-U", "true"]).status === 0 ? false : "user namespaces are not allowed here";

  test("root without CAP_SYS_ADMIN works in a user namespace with the same ids", {
    skip: noNamespaces,
  }, () => {
    const output = makeExecutor(
      ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"],
      join(base, "restricted"),
    );
    assert.match(output, /^made/);
  });

  test("who is neither root nor allowed to make namespaces", { skip: noNamespaces }, () => {
    const place = join(base, "ordinary");
    mkdirSync(place);
    chownSync(place, 65534, 65534);
    const limited = [
      "unshare",
      "-U",
      "-r",
      "sh",
      "-c",
      'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"',
      "sh",
    ];
    const ordinary = ["setpriv", "--bounding-set", "-sys_admin,-setuid", "--inh-caps", "-sys_admin,-setuid"];
    const output = makeExecutor([...limited, ...ordinary], join(place, "run"));
    assert.match(
      output,
      /^failed-precondition: this machine does not let its users make namespaces.*max_user_namespaces/,
    );
  });

  test("no runtime, no system tools", () => {
    const empty = join(base, "empty");
    mkdirSync(empty);
    const output = makeExecutor([], join(base, "run"), "", { PATH: empty });
    assert.match(
      output,
      /^failed-precondition: RUN needs the program \w+, which is not on PATH \| .*util-linux/,
    );
    const preferred = makeExecutor(
      [],
      join(base, "run"),
      `process.env.PATH = "/usr/bin:/bin:/usr/sbin:/sbin";`,
    );
    assert.match(preferred, /^made/);
  });

  test("a store on overlayfs", () => {
    for (const name of ["lower", "upper", "work", "merged"]) mkdirSync(join(base, name));
    const mount = `cd '${base}' && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged && exec "$@"`;
    const output = makeExecutor(["unshare", "-m", "sh", "-c", mount, "sh"], join(base, "merged/run"));
    assert.match(output, /^made/);
  });
});
