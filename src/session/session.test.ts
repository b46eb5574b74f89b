import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseSecret, parseSsh } from "./flags.ts";
import { openSession } from "./session.ts";

const directory = mkdtempSync(join(tmpdir(), "stagewright-session-"));
after(() => rmSync(directory, { recursive: true, force: true }));

test("--secret is read as buildx reads it", () => {
  const env = { TOKEN: "x" };
  for (const [text, expected] of [
    ["id=a,src=/x", ["a", { file: "/x" }]],
    ["ID=a,Source=x y", ["a", { file: "x y" }]],
    ["id=a,env=TOKEN", ["a", { env: "TOKEN" }]],
    ["id=a,type=env,src=TOKEN", ["a", { env: "TOKEN" }]],
    ["type=file,id=a,src=x=y", ["a", { file: "x=y" }]],
    ["id=TOKEN", ["TOKEN", { env: "TOKEN" }]],
    ["id=other", ["other", { file: "other" }]],
    ['id=a,"src=x,y ""z"""', ["a", { file: 'x,y "z"' }]],
  ] as const)
    assert.deepEqual(parseSecret(text, env), expected, text);
  for (const [text, message] of [
    ["src=x", /secret missing ID/],
    ["id", /invalid field 'id' must be a key=value pair/],
    ["id=a,type=vault", /unsupported secret type "vault"/],
    ["id=a,path=x", /unexpected key 'path' in 'path=x'/],
    ['id=a,"src=x', /extraneous or missing " in quoted-field/],
  ] as const)
    assert.throws(() => parseSecret(text, env), { code: "invalid-argument", message }, text);
});

test("--ssh is read as buildx reads it", () => {
  assert.deepEqual(parseSsh("default"), ["default", { paths: [] }]);
  assert.deepEqual(parseSsh("git=/a/b"), ["git", { paths: ["/a/b"] }]);
  assert.deepEqual(parseSsh("git=/a,/b"), ["git", { paths: ["/a", "/b"] }]);
  assert.deepEqual(parseSsh("default="), ["default", { paths: [] }]);
});

test("secrets come from files, variables and functions, which are called once", async () => {
  writeFileSync(join(directory, "file"), "from a file\n");
  process.env.STAGEWRIGHT_TEST_SECRET = "from a variable";
  let calls = 0;
  const { secrets } = openSession({
    cwd: directory,
    secrets: {
      file: { file: "file" },
      variable: { env: "STAGEWRIGHT_TEST_SECRET" },
      unset: { env: "STAGEWRIGHT_TEST_UNSET" },
      lazy: async () => `called ${++calls} time`,
      bytes: () => Buffer.of(0, 255),
    },
  });
  const text = async (id: string) => Buffer.from((await secrets.get(id))!).toString();
  assert.equal(await text("file"), "from a file\n");
  assert.equal(await text("variable"), "from a variable");
  assert.equal(await text("unset"), "");
  assert.equal(calls, 0);
  assert.equal(await text("lazy"), "called 1 time");
  assert.equal(await text("lazy"), "called 1 time");
  assert.deepEqual([...(await secrets.get("bytes"))!], [0, 255]);
  assert.equal(await secrets.get("none"), undefined);
});

test("what cannot be lent is said at once", async () => {
  const open = (file: string) => () => openSession({ cwd: directory, secrets: { a: { file } } });
  assert.throws(open("missing"), { code: "not-found", message: /secret missing: .*no such file/ });
  assert.throws(open("."), { message: "cannot read the secret .: it is a directory" });
  writeFileSync(join(directory, "large"), Buffer.alloc(500 * 1024 + 1));
  assert.throws(open("large"), { message: "secret a too big. max size 500KiB" });
  const { secrets } = openSession({ secrets: { a: () => Buffer.alloc(500 * 1024 + 1) } });
  await assert.rejects(secrets.get("a"), { message: "secret a too big. max size 500KiB" });
});

test("what has no size: a device without end is too big, a pipe is read, one that nobody writes to is said", async () => {
  const pipe = join(directory, "pipe");
  execFileSync("mkfifo", [pipe]);
  const lent = () => openSession({ secrets: { zero: { file: "/dev/zero" }, pipe: { file: pipe } } }).secrets;
  await assert.rejects(lent().get("zero"), { message: "secret zero too big. max size 500KiB" });
  await assert.rejects(lent().get("pipe"), {
    code: "failed-precondition",
    message: `cannot read the secret ${pipe}: it is a pipe that nobody writes to`,
  });
  const held = openSync(pipe, "r+");
  try {
    const content = lent().get("pipe");
    writeSync(held, "written");
    setTimeout(() => closeSync(held), 50);
    assert.equal(String(await content), "written");
  } catch (error) {
    closeSync(held);
    throw error;
  }
  assert.throws(() => openSession({ ssh: { default: { paths: ["/dev/zero"] } } }), {
    message: "failed to parse /dev/zero: it is too large to be a private key",
  });
});

test("an agent is a socket or keys, and there", () => {
  const open =
    (...paths: string[]) =>
    () =>
      openSession({ cwd: directory, ssh: { default: { paths } } });
  assert.throws(open("missing-key"), { code: "not-found", message: /missing-key/ });
  writeFileSync(join(directory, "no-key"), "hello\n");
  assert.throws(open("no-key"), { code: "invalid-argument", message: /failed to parse no-key/ });
  const before = process.env.SSH_AUTH_SOCK;
  delete process.env.SSH_AUTH_SOCK;
  try {
    assert.throws(open(), { code: "failed-precondition", message: /invalid empty ssh agent socket/ });
  } finally {
    if (before !== undefined) process.env.SSH_AUTH_SOCK = before;
  }
});
