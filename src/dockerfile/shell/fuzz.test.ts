// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError } from "../../core/index.ts";
import { expandWord, wordsWithOffsets } from "./expand.ts";

const pieces = [
  ..."abAZ09_ \t$\\`'\"{}[]()*?#%/:+-!^&|<>;,.=~é🙂\0\n",
  "${",
  "${a",
  "${a:-",
  "${none:-",
  "${a:+",
  "${a?",
  "${a#",
  "${a##*",
  "${a%%",
  "${a//",
  "$a",
  "\\$",
  "[^",
  "**",
];
const variables = new Map([
  ["a", "value with/slashes.and*stars"],
  ["b", ""],
  ["A", "$a ${a} \\ ' \""],
]);
const options = [
  {},
  { escape: "`" },
  { rawQuotes: true },
  { rawEscapes: true },
  { skipUnset: true },
] as const;

let state = 7;
function random(n: number): number {
  state = (state * 48271) % 2147483647;
  return state % n;
}

function word(): string {
  return Array.from({ length: 1 + random(24) }, () => pieces[random(pieces.length)]!).join("");
}

test("any word is expanded or refused, and words are where they say", () => {
  let expanded = 0;
  for (let i = 0; i < 30_000; i++) {
    const text = word();
    const option = options[random(options.length)]!;
    try {
      expandWord(text, variables, option);
      let before = 0;
      for (const { start } of wordsWithOffsets(text, variables, option)) {
        assert.ok(start >= before && start <= text.length, JSON.stringify(text));
        before = start;
      }
      expanded++;
    } catch (error) {
      if (!(error instanceof BuildError))
        throw new Error(`crashed on ${JSON.stringify(text)}`, { cause: error });
    }
  }
  assert.ok(expanded > 3000, `${expanded} expanded`);
});

test("what is quoted by single quotes is itself", () => {
  for (let i = 0; i < 3000; i++) {
    const text = word().replaceAll("'", "");
    assert.equal(expandWord(`'${text}'`, variables).text, text);
  }
});

test("many stars, many braces and long words end soon", () => {
  const long = "a".repeat(20_000);
  const value = new Map([["v", long]]);
  for (const pattern of [`${"*a".repeat(40)}b`, `${"?*".repeat(40)}b`, "*".repeat(200)])
    for (const form of ["#P", "##P", "%P", "%%P", "/P/", "//P/"])
      assert.ok(expandWord(`\${v${form.replace("P", pattern)}}`, value).text.length <= long.length);
  assert.throws(() => expandWord("${a:-".repeat(10_000), value), BuildError);
});
