import assert from "node:assert/strict";
import { test } from "node:test";
import { singleIdHint } from "./single-id.ts";

test("a step that wanted another id is told from one that failed for a reason of its own", () => {
  for (const line of [
    "E: setgroups 65534 failed - setgroups (1: Operation not permitted)",
    "E: seteuid 42 failed - seteuid (22: Invalid argument)",
    "chown: changing ownership of '/data': Invalid argument",
    "chown: /data: Invalid argument",
    "install: cannot change ownership of '/x': Invalid argument",
    "tar: x: Cannot change ownership to uid 5, gid 5: Invalid argument",
    "su: cannot set groups: Operation not permitted; setgroups: Operation not permitted",
  ])
    assert.match(singleIdHint(["before", line, "after"]) ?? "", /single id.*add-subuids/, line);
  for (const line of [
    "main.go:3: invalid argument x for built-in len",
    "mount: permission denied",
    "/usr/bin/chown is here",
    "open /owner: no such file",
  ])
    assert.equal(singleIdHint([line]), undefined, line);
});
