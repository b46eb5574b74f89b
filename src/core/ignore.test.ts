import assert from "node:assert/strict";
import { test } from "node:test";
import type { BuildError } from "./errors.ts";
import { createIgnoreMatcher, type IgnoredDirectory, type IgnoreMatcher, readIgnoreFile } from "./ignore.ts";
import { linearTest, regularTest, tokenise } from "./ignore-pattern.ts";

test("an ignore file is read into clean patterns with their lines", () => {
  const file = readIgnoreFile("\ufeff# comment\r\n\r\n /a/b/ \r\n #no\n!/c/../d\n! e\n./f//g\n/\n");
  assert.deepEqual(file.patterns, ["a/b", "#no", "!d", "!e", "f/g", "/"]);
  assert.deepEqual(file.lines, [3, 4, 5, 6, 7, 8]);
});

test("patterns match as moby/patternmatcher does", () => {
  const cases: readonly [string, string, boolean][] = [
    ["**", "a/b", true],
    ["a", "a/b/c", true],
    ["a", "ab", false],
    ["a/", "a/b", true],
    ["a/**", "a", false],
    ["a/**", "a/b/c", true],
    ["**/b", "b", true],
    ["**/b", "a/x/b", true],
    ["**/b", "ab", false],
    ["**b", "x/ab", true],
    ["a/**/b", "a/b", true],
    ["a/**/b", "a/x/y/b", true],
    ["a**/*.txt", "a/x/f.txt", true],
    ["*.txt", "a/f.txt", false],
    ["*/f", "a/f", true],
    ["*/f", "a/b/f", false],
    ["?.c", "é.c", true],
    ["?.c", "/.c", false],
    ["?.c", "\u{1f600}.c", true],
    ["a[b-d]e", "ace", true],
    ["a[^b-d]e", "ace", false],
    ["a[^b]c", "a/c", true],
    ["a\\*b", "a*b", true],
    ["a\\*b", "axb", false],
    ["a.b", "axb", false],
    ["a(b)+|{c}$^", "a(b)+|{c}$^", true],
    ["a|b/*", "a|b/x", true],
    ["a|b/*", "a", false],
    [".*", ".git/config", true],
    [".", "a", false],
    ["**/*.md", "a/b.md", true],
    ["**/**/x", "x", true],
    ["*a*b*c*d*", "1a2b3c4d5", true],
    ["*a*b*c*d*", "1a2b/3c4d5", false],
  ];
  for (const [pattern, path, expected] of cases)
    assert.equal(createIgnoreMatcher([pattern]).excludes(path), expected, `${pattern} ${path}`);
});

test("later rules win, and the one that decides is named", () => {
  const file = readIgnoreFile("*\n!src\nsrc/gen\n!src/gen/keep.ts\n**/*.log\n");
  const matcher = createIgnoreMatcher(file);
  const cases: readonly [string, number | undefined][] = [
    ["README.md", 1],
    ["src", undefined],
    ["src/a.ts", undefined],
    ["src/gen/x.ts", 3],
    ["src/gen/keep.ts", undefined],
    ["src/debug.log", 5],
    ["", undefined],
  ];
  for (const [path, line] of cases) {
    assert.equal(matcher.explain(path)?.line, line, path);
    assert.equal(matcher.excludes(path), line !== undefined, path);
  }
});

test("bad patterns are refused with their line", () => {
  for (const bad of ["a[", "a[]", "a[b-]", "a[-b]", "a\\", "!", "[z-a]"])
    assert.throws(
      () => createIgnoreMatcher(readIgnoreFile(`ok\n${bad}`)),
      (error: BuildError) => error.hint?.startsWith("line 2 of .dockerignore") === true,
      bad,
    );
});

/** What a walker does. */
function walk(
  matcher: IgnoreMatcher,
  path: string,
  parent: IgnoredDirectory | undefined,
  depth: number,
  out: string[],
) {
  for (const name of ["a", "b", "src", "x.log"]) {
    const child = path === "" ? name : `${path}/${name}`;
    if (name === "x.log" || depth === 0) {
      if (!matcher.excludesEntry(child, parent)) out.push(child);
      continue;
    }
    const directory = matcher.enter(child, parent);
    if (!directory.excluded) out.push(child);
    if (!directory.skip) walk(matcher, child, directory, depth - 1, out);
  }
}

test("a walk finds what single questions find", () => {
  for (const patterns of [
    ["*", "!a/b"],
    ["a", "!a/src/**", "**/*.log"],
    ["**/b", "!**/src", "src/a"],
    ["a/b/*", "!a/b/src/a"],
    ["**", "!src/*"],
  ]) {
    const matcher = createIgnoreMatcher(patterns);
    const all: string[] = [];
    walk(createIgnoreMatcher([]), "", undefined, 3, all);
    const found: string[] = [];
    walk(matcher, "", undefined, 3, found);
    assert.deepEqual(
      found,
      all.filter((path) => matcher.explain(path) === undefined),
      patterns.join(" "),
    );
    if (patterns[1] !== "!**/src")
      assert.deepEqual(
        found,
        all.filter((path) => !matcher.excludes(path)),
      );
  }
  assert.equal(createIgnoreMatcher(["node_modules"]).enter("node_modules").skip, true);
  assert.equal(createIgnoreMatcher(["a", "!a/b"]).enter("a").skip, false);
  assert.equal(createIgnoreMatcher(["a", "!b/c"]).enter("a").skip, true);
});

test("a walk forgets an exception that had nothing to take back, as fsutil's does", () => {
  const matcher = createIgnoreMatcher(["**/b", "!**/src"]);
  assert.equal(matcher.excludes("src/b"), false);
  assert.equal(matcher.excludesEntry("src/b", matcher.enter("src")), true);
  assert.equal(matcher.explain("src/b")?.pattern, "**/b");
});

test("both ways of matching agree", () => {
  let seed = 1;
  const random = (n: number) => {
    seed = (seed * 48271) % 2147483647;
    return seed % n;
  };
  const text = (alphabet: string, length: number) =>
    Array.from({ length: random(length) }, () => alphabet[random(alphabet.length)]).join("");
  let matches = 0;
  for (let i = 0; i < 20_000; i++) {
    const tokens = tokenise(text("ab/*?*", 8));
    const path = text("ab/", 8);
    const expected = regularTest(tokens)(path);
    assert.equal(linearTest(tokens)(path), expected, `${JSON.stringify(tokens)} ${path}`);
    if (expected) matches++;
  }
  assert.ok(matches > 500);
});

test("fifty thousand paths take no time, whatever the pattern", () => {
  const matcher = createIgnoreMatcher([
    "**/node_modules",
    ".git",
    "**/*.log",
    "dist/**",
    "!dist/keep",
    "*a*a*a*a*a*b",
  ]);
  for (let d = 0; d < 500; d++) {
    const directory = matcher.enter(`dir${d}`);
    for (let f = 0; f < 100; f++) matcher.excludesEntry(`dir${d}/some-longer-name-${f}.ts`, directory);
  }
  assert.equal(matcher.excludes("a".repeat(250)), false);
});

test("any ignore file is read or refused; walking to a path decides as looking at it alone", () => {
  let state = 13;
  const random = (n: number) => {
    state = (state * 48271) % 2147483647;
    return state % n;
  };
  const pick = (pieces: readonly string[], length: number) =>
    Array.from({ length: 1 + random(length) }, () => pieces[random(pieces.length)]!).join("");
  const pieces = [..."ab/*?![]\\-^.#é \t\r\ufeff", "**", "**/", "/**", "../", "[a-", "\n", "\n!", "\n#"];
  let compiled = 0;
  for (let i = 0; i < 5000; i++) {
    const text = pick(pieces, 16);
    try {
      const matcher = createIgnoreMatcher(readIgnoreFile(text));
      compiled++;
      for (let j = 0; j < 5; j++) {
        const parts = Array.from({ length: 1 + random(4) }, () => pick(["a", "b", ".", "é", "!", "#"], 2));
        if (parts.some((part) => part === "." || part === "..")) continue;
        const path = parts.join("/");
        let parent: IgnoredDirectory | undefined;
        for (let depth = 1; depth < parts.length; depth++)
          parent = matcher.enter(parts.slice(0, depth).join("/"), parent);
        assert.equal(
          matcher.excludesEntry(path, parent),
          matcher.excludes(path),
          `${JSON.stringify(text)} ${path}`,
        );
      }
    } catch (error) {
      if ((error as Error).name !== "BuildError") throw error;
    }
  }
  assert.ok(compiled > 1000, `${compiled} compiled`);
});
