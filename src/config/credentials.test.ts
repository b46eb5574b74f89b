import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { BuildError } from "../core/index.ts";
import { eraseCredentials, findCredentials, storeCredentials } from "./index.ts";

let directory: string;
let file: string;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "docker-config-"));
  file = join(directory, "config.json");
  env = { DOCKER_CONFIG: directory, PATH: `${directory}:${process.env.PATH}` };
});
afterEach(() => rmSync(directory, { recursive: true }));

const write = (config: unknown) => writeFileSync(file, JSON.stringify(config));
const read = () => JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
const auth = (text: string) => ({ auth: Buffer.from(text).toString("base64") });
const login = { kind: "password", username: "me", password: "s3:cret" } as const;

/** A credential helper that keeps each login in a file, and its calls in a list. */
function helper(name: string): void {
  const program = join(directory, `docker-credential-${name}`);
  writeFileSync(
    program,
    `#!/bin/sh
cd ${directory}
input=$(cat)
printf '%s %s\\n' "$1" "$input" >> calls
kept=kept-$(printf %s "$input" | tr -c 'a-zA-Z0-9' _)
case $1 in
  get) if [ -f "$kept" ]; then cat "$kept"; else echo "credentials not found in native keychain"; exit 1; fi ;;
  store) server=$(printf %s "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/')
    printf %s "$input" > "kept-$(printf %s "$server" | tr -c 'a-zA-Z0-9' _)" ;;
  erase) rm -f "$kept" ;;
esac
`,
  );
  chmodSync(program, 0o755);
}

describe("logins in the file", () => {
  test("are found by host, however Docker wrote the server", async () => {
    write({
      auths: {
        "https://index.docker.io/v1/": auth("hub:a"),
        "https://old.example.com/v1/": auth("old:b:c"),
        "localhost:5000": { username: "plain", password: "text" },
        "token.example.com": { ...auth("x:"), identitytoken: "REFRESH" },
        "empty.example.com": {},
      },
    });
    const find = (host: string) => findCredentials(host, env);
    assert.deepEqual(await find("docker.io"), { kind: "password", username: "hub", password: "a" });
    assert.deepEqual(await find("old.example.com"), { kind: "password", username: "old", password: "b:c" });
    assert.deepEqual(await find("localhost:5000"), { kind: "password", username: "plain", password: "text" });
    assert.deepEqual(await find("token.example.com"), { kind: "identity", token: "REFRESH" });
    for (const host of ["empty.example.com", "example.com", "localhost", "xold.example.com"])
      assert.equal(await find(host), undefined);
  });

  test("are kept as Docker does, readable for their owner alone, with everything else in the file", async () => {
    write({ detachKeys: "ctrl-e", auths: { "other.example.com": auth("o:p") } });
    chmodSync(file, 0o644);
    assert.equal(await storeCredentials("localhost:5000", login, env), file);
    assert.equal(await storeCredentials("docker.io", login, env), file);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(read(), {
      detachKeys: "ctrl-e",
      auths: {
        "other.example.com": auth("o:p"),
        "localhost:5000": auth("me:s3:cret"),
        "https://index.docker.io/v1/": auth("me:s3:cret"),
      },
    });
    assert.deepEqual(await findCredentials("docker.io", env), login);
    assert.equal(await eraseCredentials("docker.io", env), true);
    assert.equal(await eraseCredentials("docker.io", env), false);
    assert.deepEqual(Object.keys(read().auths as object), ["other.example.com", "localhost:5000"]);
    assert.deepEqual(readdirSync(directory), ["config.json"]);
  });

  test("begin with no file and no directory, and a linked file stays a link", async () => {
    const fresh = { HOME: join(directory, "home") };
    assert.equal(await findCredentials("a.example.com", fresh), undefined);
    await storeCredentials("a.example.com", login, fresh);
    assert.deepEqual(await findCredentials("a.example.com", fresh), login);
    mkdirSync(join(directory, "linked"));
    const linked = { DOCKER_CONFIG: join(directory, "linked") };
    symlinkSync("../home/.docker/config.json", join(directory, "linked/config.json"));
    await storeCredentials("b.example.com", login, linked);
    assert.deepEqual(await findCredentials("b.example.com", fresh), login);
    assert.equal(await findCredentials("b.example.com", {}), undefined);
    await assert.rejects(storeCredentials("a.example.com", login, {}), /HOME is not set/);
  });
});

describe("credential helpers", () => {
  test("of credsStore keep logins instead of the file", async () => {
    helper("test");
    write({ credsStore: "test" });
    assert.equal(await findCredentials("docker.io", env), undefined);
    assert.equal(await storeCredentials("docker.io", login, env), "credential helper test");
    assert.deepEqual(read(), { credsStore: "test", auths: { "https://index.docker.io/v1/": {} } });
    assert.deepEqual(await findCredentials("docker.io", env), login);
    await storeCredentials("t.example.com", { kind: "identity", token: "R" }, env);
    assert.deepEqual(await findCredentials("t.example.com", env), { kind: "identity", token: "R" });
    assert.equal(await eraseCredentials("docker.io", env), true);
    assert.equal(await findCredentials("docker.io", env), undefined);
    assert.match(
      readFileSync(join(directory, "calls"), "utf8"),
      /^erase https:\/\/index\.docker\.io\/v1\/$/m,
    );
  });

  test("of credHelpers are asked for their host alone", async () => {
    helper("one");
    write({ credHelpers: { "a.example.com": "one" }, auths: { "b.example.com": auth("b:c") } });
    await storeCredentials("a.example.com", login, env);
    assert.deepEqual(await findCredentials("a.example.com", env), login);
    assert.equal((await findCredentials("b.example.com", env))?.kind, "password");
    assert.doesNotMatch(readFileSync(join(directory, "calls"), "utf8"), /b\.example\.com/);
  });

  test("that fail are named, and what they printed is not shown", async () => {
    write({ credsStore: "missing" });
    await assert.rejects(
      findCredentials("a.example.com", env),
      /docker-credential-missing: it is not installed/,
    );
    const broken = join(directory, "docker-credential-broken");
    for (const body of ["echo SECRET; exit 3", "echo SECRET", 'echo \'{"Secret":"SECRET"}\'']) {
      writeFileSync(broken, `#!/bin/sh\n${body}\n`);
      chmodSync(broken, 0o755);
      write({ credsStore: "broken" });
      await assert.rejects(findCredentials("a.example.com", env), (error: BuildError) => {
        assert.equal(error.code, "failed-precondition");
        assert.match(error.message, /docker-credential-broken/);
        assert.doesNotMatch(error.message, /SECRET/);
        return true;
      });
    }
  });
});

for (const [text, message] of [
  ['{"auths":{"x":{"auth":"SECRET', /config\.json: is not JSON/],
  ["[]", /is not a JSON object/],
  ['{"auths":[]}', /auths is not an object/],
  ['{"auths":{"a.example.com":"SECRET"}}', /auths\["a\.example\.com"\] is not an object/],
  ['{"auths":{"a.example.com":{"auth":"SECRET"}}}', /auth is not a login/],
  ['{"credsStore":"../evil"}', /not the name of a credential helper/],
  ['{"credHelpers":{"a.example.com":7}}', /not the name of a credential helper/],
] as const)
  test(`a configuration that is none: ${text}`, async () => {
    writeFileSync(file, text);
    await assert.rejects(findCredentials("a.example.com", env), (error: BuildError) => {
      assert.ok(error instanceof BuildError);
      assert.equal(error.code, "failed-precondition");
      assert.match(error.message, message);
      assert.doesNotMatch(`${error.message}${error.hint}`, /SECRET/);
      return true;
    });
  });
