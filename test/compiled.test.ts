import assert from "node:assert/strict";
import { type SpawnOptions, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { before, beforeEach, describe, test } from "node:test";
import { checkout, createSandbox, finished, nodeForAll } from "./sandbox.ts";

const sandbox = createSandbox("compiled");
const home = join(sandbox.directory, "home");
const compiled = join(home, ".cache", "stagewright", "compiled");
const program = join(sandbox.directory, "program");
const nobody = 65534;
const user: SpawnOptions = process.geteuid?.() === 0 ? { uid: nobody, gid: nobody } : {};

/** `stagewright --version` as a user with a home of their own; it must succeed and say so. */
async function start(): Promise<void> {
  const child = spawn(nodeForAll(sandbox), [join(program, "bin", "stagewright.cjs"), "--version"], {
    ...user,
    cwd: sandbox.directory,
    env: { HOME: home },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const { code, stdout, stderr } = await finished(child);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  assert.match(stdout, /^stagewright \d/);
}

/** The one file of compiled code, and what tells one that was written anew. */
function kept() {
  const [name = assert.fail("no compiled code"), ...others] = readdirSync(compiled);
  assert.deepEqual(others, []);
  const file = join(compiled, name);
  return { file, size: statSync(file).size, mode: statSync(file).mode & 0o777, inode: statSync(file).ino };
}

describe("compiled code of the command line", () => {
  before(() => {
    chmodSync(sandbox.directory, 0o755);
    for (const file of ["package.json", "bin", "dist/cli.cjs"])
      cpSync(join(checkout, file), join(program, file), { recursive: true });
    mkdirSync(home);
    if (user.uid !== undefined) chownSync(home, nobody, nobody);
  });

  beforeEach(async () => {
    for (let run = 0; run < 3; run++) await start();
  });

  test("is collected in the first runs, and then only read", async () => {
    const { inode, mode } = kept();
    assert.equal(mode, 0o600);
    await start();
    assert.equal(kept().inode, inode);
  });

  test("is made again when it is damaged", async () => {
    const whole = kept();
    truncateSync(whole.file, whole.size >> 1);
    await start();
    assert.ok(kept().size > whole.size >> 1);
    const bytes = readFileSync(whole.file);
    bytes[bytes.length >> 1] = ~(bytes[bytes.length >> 1] ?? 0);
    writeFileSync(whole.file, bytes);
    await start();
    assert.notDeepEqual(readFileSync(kept().file), bytes);
    truncateSync(whole.file, 0);
    await start();
    assert.ok(kept().size > 0);
  });

  test("is neither read nor written where others can write", async () => {
    const { file } = kept();
    writeFileSync(file, "planted");
    chmodSync(compiled, 0o777);
    await start();
    assert.equal(readFileSync(file, "utf8"), "planted");
    chmodSync(compiled, 0o700);
    chmodSync(file, 0o666);
    await start();
    assert.notEqual(readFileSync(file, "utf8"), "planted");
  });

  test("is not needed", async () => {
    chmodSync(home, 0o500);
    const cache = join(home, ".cache");
    if (existsSync(cache)) chmodSync(cache, 0o000);
    try {
      await start();
    } finally {
      if (existsSync(cache)) chmodSync(cache, 0o700);
      chmodSync(home, 0o700);
    }
  });
});
