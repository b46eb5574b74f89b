import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveUser } from "./users.ts";

const files = {
  passwd: "root:x:0:0:root:/root:/bin/sh\n# no line\njoe:x:1000:1001::/home/joe:\n77:x:500:501::/odd:\n",
  group: "root:x:0:\njoe:x:1001:\nstaff:x:50:joe,root\naudio:x:29:joe\n",
};

test("an empty user is root", () => {
  assert.deepEqual(resolveUser("", files), { uid: 0, gid: 0, groups: [0, 50], home: "/root" });
  assert.deepEqual(resolveUser("", { passwd: "", group: "" }), { uid: 0, gid: 0, groups: [0], home: "/" });
});

test("a name brings its primary and supplementary groups", () => {
  assert.deepEqual(resolveUser("joe", files), {
    uid: 1000,
    gid: 1001,
    groups: [1001, 50, 29],
    home: "/home/joe",
  });
});

test("an id with a line is that user, one without has group 0", () => {
  assert.deepEqual(resolveUser("1000", files), {
    uid: 1000,
    gid: 1001,
    groups: [1001, 50, 29],
    home: "/home/joe",
  });
  assert.deepEqual(resolveUser("4711", files), { uid: 4711, gid: 0, groups: [0], home: "/" });
});

test("with a group there are no supplementary groups", () => {
  assert.deepEqual(resolveUser("joe:audio", files).groups, [29]);
  assert.deepEqual(resolveUser("joe:5", files), { uid: 1000, gid: 5, groups: [5], home: "/home/joe" });
  assert.deepEqual(resolveUser("12:34", files), { uid: 12, gid: 34, groups: [34], home: "/" });
});

test("a name that looks like an id is found as a name first", () => {
  assert.equal(resolveUser("77", files).uid, 500);
});

test("what is not there is an error that names it", () => {
  assert.throws(() => resolveUser("nobody", files), {
    code: "not-found",
    message: /user nobody: no matching entries in passwd file/,
  });
  assert.throws(() => resolveUser("joe:wheel", files), {
    code: "not-found",
    message: /group wheel: no matching entries in group file/,
  });
  assert.throws(() => resolveUser("4294967296", files), { code: "not-found" });
});
