import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BuildError } from "../core/index.ts";
import { loadRegistrySettings, parseRegistrySettings } from "./index.ts";
import { parseToml } from "./toml.ts";

const read = (text: string) => ({ ...parseRegistrySettings(text, "buildkitd.toml", "/etc/buildkit") });

test("a file as BuildKit's users have it", () => {
  const settings = read(`
debug = true # for now
[worker.oci]
  gckeepstorage = 9_000
[registry."docker.io"]
  mirrors = ["mirror.example.com", 'other.example.com/hub', ]
[registry."registry.example.com:5000"]
  http = true
  insecure = false
  ca = [
    "ca.pem",   # beside this file
    "/abs/ca.pem",
  ]
  [[registry."registry.example.com:5000".keypair]]
    key = "key.pem"
    cert = "/abs/cert.pem"
[[registry."registry.example.com:5000".keypair]]
key="a"
cert="b"
`);
  assert.deepEqual(settings, {
    "docker.io": { mirrors: ["mirror.example.com", "other.example.com/hub"] },
    "registry.example.com:5000": {
      http: true,
      insecure: false,
      ca: ["/etc/buildkit/ca.pem", "/abs/ca.pem"],
      keypair: [
        { key: "/etc/buildkit/key.pem", cert: "/abs/cert.pem" },
        { key: "/etc/buildkit/a", cert: "/etc/buildkit/b" },
      ],
    },
  });
});

test("the first of the usual places that has a file counts", () => {
  const home = mkdtempSync(join(tmpdir(), "config-"));
  try {
    assert.deepEqual(loadRegistrySettings({ STAGEWRIGHT_CONFIG: "", XDG_CONFIG_HOME: home }, []), {});
    mkdirSync(join(home, "stagewright"));
    writeFileSync(join(home, "stagewright/config.toml"), '[registry."a.example"]\nca = ["ca.pem"]\n');
    const settings = loadRegistrySettings({ XDG_CONFIG_HOME: home });
    assert.deepEqual(settings["a.example"], { ca: [join(home, "stagewright/ca.pem")] });
    const named = join(home, "named.toml");
    assert.throws(() => loadRegistrySettings({ STAGEWRIGHT_CONFIG: named }), /named\.toml cannot be read/);
    writeFileSync(named, "[registry]\n");
    assert.deepEqual({ ...loadRegistrySettings({ STAGEWRIGHT_CONFIG: named, XDG_CONFIG_HOME: home }) }, {});
  } finally {
    rmSync(home, { recursive: true });
  }
});

test("inline tables, dotted keys, escapes", () => {
  const table = parseToml('a.b = { c = "x\\ty\\u00e9", d = [] }\n"odd key" = -5\r\n', "f");
  assert.equal(JSON.stringify(table), '{"a":{"b":{"c":"x\\tyé","d":[]}},"odd key":-5}');
  assert.deepEqual(Object.keys(parseToml("[__proto__]\nx = 1", "f")), ["__proto__"]);
  assert.equal(({} as { x?: number }).x, undefined);
});

const wrong: readonly [string, RegExp][] = [
  ["a = 1\nb", /^f:2: expected "="/],
  ["a = ", /^f:1: expected a value/],
  ["a = 1 2", /end of the line/],
  ["a = 1\na = 2", /^f:2: a is set twice/],
  ["[a]\n[a]", /^f:2: table \[a\] is defined twice/],
  ["a = 1\n[a]", /a is a value, not a table/],
  ['a = """x"""', /multi-line strings are not supported/],
  ["a = 1979-05-27", /1979-05-27 is not supported/],
  ["a = 1.5", /1\.5 is not supported/],
  ['a = "x', /^f:1:/],
  ['a = "\\q"', /unknown escape \\q/],
  ["a = [1", /expected "\]"/],
  [`a = ${"[".repeat(100_000)}`, /nested too deeply/],
  ["= 1", /expected a key/],
];
for (const [text, message] of wrong)
  test(`no TOML: ${JSON.stringify(text.slice(0, 30))}`, () => {
    assert.throws(
      () => parseToml(text, "f"),
      (error: BuildError) => {
        assert.ok(error instanceof BuildError, String(error));
        assert.match(error.message, message);
        return error.code === "invalid-argument";
      },
    );
  });

test("settings that are none are refused with their place", () => {
  assert.throws(
    () => read('[registry."a"]\nhttps = true'),
    /buildkitd\.toml: registry\.a\.https is not a setting/,
  );
  assert.throws(() => read('[registry."a"]\nhttp = "yes"'), /registry\.a\.http is neither true nor false/);
  assert.throws(() => read('[registry."a"]\nmirrors = "x"'), /registry\.a\.mirrors is not an array/);
  assert.throws(
    () => read('[registry."a"]\nkeypair = [{ key = "k" }]'),
    /registry\.a\.keypair\.cert is not a string/,
  );
  assert.throws(() => read("registry = 1"), /registry is not a table/);
});
