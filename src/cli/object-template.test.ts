import assert from "node:assert/strict";
import { test } from "node:test";
import { fillTemplate } from "./object-template.ts";

const object = {
  Name: "/web",
  State: { Running: true, ExitCode: 0 },
  Config: { Env: ["A=1"], Labels: { "a.b": "c" } },
};

test("fields, JSON and keys of a map", () => {
  assert.equal(fillTemplate("{{.Name}} {{ .State.ExitCode }}\\t{{.State.Running}}", object), "/web 0\ttrue");
  assert.equal(fillTemplate("{{json .Config.Env}}", object), '["A=1"]');
  assert.equal(fillTemplate("{{json .}}", object), JSON.stringify(object));
  assert.equal(fillTemplate('{{index .Config.Labels "a.b"}}|{{index .Config.Labels "no"}}', object), "c|");
});

test("what is not there, and what is not understood", () => {
  assert.throws(() => fillTemplate("{{.State.Nope}}", object), {
    message: /\{\{.State.Nope\}\}: there is no Nope/,
  });
  assert.throws(() => fillTemplate("{{.constructor}}", object), { message: /there is no constructor/ });
  assert.throws(() => fillTemplate("{{range .Config.Env}}x{{end}}", object), {
    message: /range .* is not understood/,
  });
  assert.throws(() => fillTemplate("{{.Name}} {{.Name", object), { message: /\{\{ without \}\}/ });
});
