// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import assert from "node:assert/strict";
import { test } from "node:test";
import { expandWord, expandWords } from "./index.ts";

const variables = new Map([
  ["NAME", "archive.tar.gz"],
  ["PATH", "/usr/local/bin"],
  ["EMPTY", ""],
  ["TWO", "x  y"],
  ["é", "accent"],
  ["STAR", "a*b*c"],
  ["constructor", "own"],
]);

test("words expand as in a shell", () => {
  const cases: readonly [string, string][] = [
    ["plain", "plain"],
    ["$NAME-$UNSET-", "archive.tar.gz--"],
    ["${NAME}x", "archive.tar.gzx"],
    ["$é", "accent"],
    ["$1x$10", "x"],
    ["$", "$"],
    ["a$ b", "a$ b"],
    ["'$NAME'", "$NAME"],
    ["\"$NAME 'q'\"", "archive.tar.gz 'q'"],
    ['"\\$NAME \\" \\\\ \\n"', '$NAME " \\ \\n'],
    ["\\$NAME\\a", "$NAMEa"],
    ["end\\", "end"],
    ["${UNSET:-d}${UNSET-d}${EMPTY:-d}[${EMPTY-d}]", "ddd[]"],
    ["${NAME:+s}${EMPTY:+s}[${EMPTY+s}]${UNSET+s}", "s[s]"],
    ["${UNSET:-a${PATH}'b c'}", "a/usr/local/binb c"],
    ["${NAME:?no}", "archive.tar.gz"],
    ["${NAME#*.}", "tar.gz"],
    ["${NAME##*.}", "gz"],
    ["${NAME%.*}", "archive.tar"],
    ["${NAME%%.*}", "archive"],
    ["${NAME#x}", "archive.tar.gz"],
    ["${NAME%??}", "archive.tar."],
    ["${PATH/\\//-}", "-usr/local/bin"],
    ["${PATH//\\//-}", "-usr-local-bin"],
    ["${NAME/a*./X}", "Xgz"],
    ["${NAME//*/x}", "x"],
    ["${STAR//\\*/+}", "a+b+c"],
    ["${NAME//[.]/_}", "archive.tar.gz"],
    ["${NAME//a?/'<$0${0}$1${x}$$$-'}", "<arar$$-chive.t<arar$$-.gz"],
    ["${NAME/a?/'<$0>'}", "<$0>chive.tar.gz"],
    ["${UNSET/a/b}", ""],
    ["$constructor$toString", "own"],
    ["a < b << c", "a < b << c"],
  ];
  for (const [word, expected] of cases) assert.equal(expandWord(word, variables).text, expected, word);
});

test("bad words are refused", () => {
  const cases: readonly [string, RegExp][] = [
    ["'open", /looking for matching single-quote/],
    ['"open', /looking for matching double-quote/],
    ["${NAME", /unsupported modifier \(\ufffd\)/],
    ["${NAME:-x", /missing '}'/],
    ["${}", /bad substitution/],
    ["${NAME:}", /missing '}'/],
    ["${NAME:}x}", /unsupported modifier \(:\}\)/],
    ["${NAME:#x}", /unsupported modifier \(:#\)/],
    ["${NAME^}", /unsupported modifier \(\^\)/],
    ["${UNSET:?please set it}", /UNSET: please set it/],
    ["${UNSET?}", /UNSET: is not allowed to be unset/],
    ["${EMPTY:?}", /EMPTY: is not allowed to be empty/],
    ["${NAME#\\a}", /invalid escape/],
    ["${a:-".repeat(5000), /nested too deeply|missing/],
  ];
  for (const [word, message] of cases)
    assert.throws(() => expandWord(word, variables), message, word.slice(0, 30));
});

test("names that were looked up are reported", () => {
  const { matched, unmatched } = expandWord("$NAME ${UNSET:-$OTHER} '$QUOTED' ${PATH:+x}", variables);
  assert.deepEqual([...matched], ["NAME", "PATH"]);
  assert.deepEqual([...unmatched].sort(), ["OTHER", "UNSET"]);
});

test("options keep quotes, escapes, or what is not set", () => {
  assert.equal(expandWord("'a' \"$PATH\"", variables, { skipQuotes: true }).text, "'a' \"/usr/local/bin\"");
  assert.equal(expandWord("'a' \"b\"", variables, { rawQuotes: true }).text, "'a' \"b\"");
  assert.equal(expandWord("a\\ b", variables, { rawEscapes: true }).text, "a\\ b");
  assert.equal(expandWord("$U ${U} ${U:-x}", variables, { skipUnset: true }).text, "$U ${U} ${U:-x}");
  assert.equal(expandWord("`$PATH\\a", variables, { escape: "`" }).text, "$PATH\\a");
});

test("lines split into words after expansion", () => {
  assert.deepEqual(expandWords("a  $TWO 'b  c' \"$TWO\" d\\ e", variables), [
    "a",
    "x",
    "y",
    "b  c",
    "x  y",
    "d e",
  ]);
  assert.deepEqual(expandWords("80${UNSET:-81} <<  EOF", variables), ["8081", "<<  EOF"]);
});

// Backtracking would take longer than anybody waits.
test("patterns with many stars end", () => {
  const long = new Map([["A", "a".repeat(20_000)]]);
  assert.equal(expandWord("${A//*a*a*a*a*a*a*a*b/x}", long).text.length, 20_000);
  assert.equal(expandWord("${A%%*a*a*a*a*a*a*b}", long).text.length, 20_000);
});
