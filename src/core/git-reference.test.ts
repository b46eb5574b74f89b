import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGitReference } from "./git-reference.ts";
import { shownUrl, withoutLogins } from "./url.ts";

test("URLs and scp-like names with ref and directory", () => {
  const cases: [string, string, string, string][] = [
    ["https://example.com/a/b.git", "https://example.com/a/b.git", "", ""],
    ["https://example.com/a/b.git#v1:docs/x/", "https://example.com/a/b.git", "v1", "docs/x"],
    ["http://u:p@h:8080/b.git#:sub", "http://u:p@h:8080/b.git", "", "sub"],
    ["git://h/b#feature/x:../up", "git://h/b", "feature/x", "up"],
    ["git@h.example:a/b.git#main", "git@h.example:a/b.git", "main", ""],
    ["SSH://git@h:22/b.git?ref=v2&subdir=d", "ssh://git@h:22/b.git", "v2", "d"],
    ["https://h/b.git?tag=v1", "https://h/b.git", "refs/tags/v1", ""],
    ["https://h/b.git?branch=main&checksum=ab12", "https://h/b.git", "refs/heads/main", ""],
  ];
  for (const [text, remote, ref, subdir] of cases) {
    const found = parseGitReference(text);
    assert.deepEqual([found?.remote, found?.ref, found?.subdir], [remote, ref, subdir], text);
  }
});

test("what is no repository", () => {
  for (const text of [
    ".",
    "./git@h:x",
    "dir/a.git",
    "https://h/x.tar.gz",
    "file:///x.git",
    "github.com/a/b",
    "C:/x",
  ])
    assert.equal(parseGitReference(text), undefined, text);
  assert.equal(parseGitReference("github.com/a/b#r", { bare: true })?.remote, "https://github.com/a/b");
});

test("queries that say nothing are refused by name", () => {
  const wrong: [string, RegExp][] = [
    ["https://h/b.git?x=1", /unexpected query "x"/],
    ["https://h/b.git?ref=a&ref=b", /multiple values/],
    ["https://h/b.git?ref=", /no value/],
    ["https://h/b.git?ref=a#b", /ref conflicts: "b" vs "a"/],
    ["https://h/b.git?tag=a&branch=b", /branch conflicts with tag/],
    ["https://h/b.git?submodules=perhaps", /invalid submodules value/],
    ["https://h/b.git?mtime=never", /invalid mtime/],
  ];
  for (const [text, message] of wrong) assert.throws(() => parseGitReference(text), message, text);
  assert.equal(parseGitReference("https://h/b.git?submodules=0")?.submodules, false);
  assert.equal(parseGitReference("https://h/b.git?keep-git-dir")?.keepGitDir, true);
});

test("secrets in URLs are not shown", () => {
  assert.equal(shownUrl("https://me:token@h/x"), "https://me:xxxxx@h/x");
  assert.equal(shownUrl("https://token@h/x"), "https://xxxxx@h/x");
  assert.equal(shownUrl("ssh://git@h/x"), "ssh://git@h/x");
  assert.equal(shownUrl("git@h:x"), "git@h:x");
  assert.equal(shownUrl("https://h/x?mail=a@b"), "https://h/x?mail=a@b");
  assert.equal(
    withoutLogins("ADD https://a:b@h/x http://t@h/ /y"),
    "ADD https://a:xxxxx@h/x http://xxxxx@h/ /y",
  );
});
