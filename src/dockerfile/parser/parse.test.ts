// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { BuildError, type SourceRange } from "../../core/index.ts";
import { shownWarnings } from "../lint/index.ts";
import { planStages, readStages } from "../stages/index.ts";
import type { InstructionNode } from "./ast.ts";
import { parseDockerfile, printDockerfile, textAt } from "./index.ts";

const folder = new URL("../golden/", import.meta.url);

function place({ start, end }: SourceRange): string {
  return `${start.line}:${start.column}-${end.line}:${end.column}`;
}

function dump(node: InstructionNode, indent = ""): string[] {
  const lines = [`${node.keyword} ${node.form} ${place(node.range)}`];
  for (const comment of node.comments) lines.push(`  above ${JSON.stringify(comment)}`);
  for (const flag of node.flags)
    lines.push(`  flag ${flag.name} ${JSON.stringify(flag.value)} ${place(flag.range)}`);
  for (const word of node.words) lines.push(`  word ${JSON.stringify(word.text)} ${place(word.range)}`);
  for (const doc of node.heredocs) {
    const how = `${doc.expand ? "expand" : "literal"}${doc.chomp ? " chomp" : ""} fd=${doc.fileDescriptor}`;
    lines.push(
      `  heredoc ${doc.name} ${how} ${place(doc.operator)} body ${place(doc.body)} end ${place(doc.terminator)}`,
    );
    lines.push(`    ${JSON.stringify(doc.content)}`);
  }
  if (node.trigger) lines.push(...dump(node.trigger, "  "));
  return lines.map((line) => indent + line);
}

for (const file of readdirSync(folder).filter((name) => name.endsWith(".Dockerfile"))) {
  test(`golden ${file}`, () => {
    const bytes = readFileSync(new URL(file, folder));
    const dockerfile = parseDockerfile(bytes, file);
    const actual = [
      ...dockerfile.directives.map(
        (directive) => `# ${directive.name}=${directive.value} ${place(directive.range)}`,
      ),
      ...dockerfile.comments.map(
        (comment) => `comment ${JSON.stringify(comment.text)} ${place(comment.range)}`,
      ),
      ...dockerfile.instructions.flatMap((node) => dump(node)),
      ...dockerfile.warnings.map((warning) => `warning ${warning.kind} ${place(warning.range)}`),
      "",
    ].join("\n");
    const expected = new URL(file.replace(".Dockerfile", ".txt"), folder);
    if (process.env.UPDATE_GOLDEN) writeFileSync(expected, actual);
    assert.equal(actual, readFileSync(expected, "utf8"));
    assert.equal(printDockerfile(dockerfile), bytes.toString("utf8"));
  });
}

function refused(content: string | Uint8Array): BuildError {
  let caught: unknown;
  try {
    parseDockerfile(content);
  } catch (error) {
    caught = error;
  }
  assert.ok(caught instanceof BuildError, `not refused: ${String(content).slice(0, 60)}`);
  return caught;
}

test("what cannot be parsed is refused with its place", () => {
  const cases: readonly [string, RegExp, number | undefined][] = [
    ["", /cannot be empty/, undefined],
    ["# only a comment\n", /no instructions/, 1],
    ["# escape=x\nFROM a", /invalid escape token 'x'/, 1],
    ["# escape=`\n# escape=`\nFROM a", /only one escape parser directive/, 1],
    ["FROM a\nRUN <<E\nx\n E\n", /unterminated heredoc/, 2],
    ["FROM a\nENV a=b \\\n c", /can't find = in "c"/, 3],
    ["FROM a\nLABEL x", /LABEL must have two arguments/, 2],
    ['FROM a\nCMD ["a", 1]', /arrays must be comprised of strings only/, 2],
    ["FROM a\nONBUILD ONBUILD RUN x", /ONBUILD ONBUILD/, 2],
    [`FROM a\nRUN ${"x".repeat(70_000)}`, /max allowed size of 65535/, 2],
  ];
  for (const [content, message, line] of cases) {
    const error = refused(content);
    assert.match(error.message, message);
    assert.equal(error.details.source?.ranges[0]?.start.line, line, content.slice(0, 50));
  }
});

test("a line may be as long as BuildKit's scanner allows", () => {
  const prefix = "RUN ";
  const longest = `${prefix}${"x".repeat(65_536 - prefix.length - 1)}\n`;
  assert.equal(parseDockerfile(`FROM a\n${longest}`).instructions.length, 2);
  refused(`FROM a\n${prefix}${"x".repeat(65_536 - prefix.length)}\n`);
});

test("ten megabytes are refused at once", () => {
  const huge = Buffer.from("RUN true\n".repeat(1_200_000));
  const error = refused(huge);
  assert.equal(error.code, "resource-exhausted");
  assert.match(error.message, /10\.8 MB/);
});

// A quadratic step would take hours here: the test would be seen to hang.
test("hostile files of allowed size are read or refused", () => {
  const cases = [
    Buffer.concat([Buffer.from("FROM a\n"), Buffer.alloc(2_000_000, "#\xe9\nCMD x\n", "latin1")]),
    Buffer.from(`FROM a\nRUN ${"x \\\n".repeat(900_000)}`),
    Buffer.from(`FROM a\nRUN ${"<<".repeat(30_000)}`),
    Buffer.from(`FROM a\n${"ONBUILD ".repeat(8000)}RUN x`),
    Buffer.from(`FROM ${"$x".repeat(30_000)}`),
    Buffer.from(`FROM a\nCOPY --${"x".repeat(60_000)} a b`),
    Buffer.from(`FROM a\n${"ENV a b\n".repeat(400_000)}`),
  ];
  for (const content of cases) {
    try {
      const stages = readStages(parseDockerfile(content));
      shownWarnings(planStages(stages).warnings, stages.dockerfile);
    } catch (error) {
      assert.ok(error instanceof BuildError, String(error));
    }
  }
});

test("bytes that are not UTF-8 are allowed in comments only", () => {
  const bad = Buffer.from([0xe9]);
  parseDockerfile(Buffer.concat([Buffer.from("# caf"), bad, Buffer.from("\nFROM a\n")]));
  const error = refused(Buffer.concat([Buffer.from("FROM a\nRUN caf"), bad, Buffer.from("\n")]));
  assert.match(error.message, /line 2 is not valid UTF-8/);
});

test("directives end at the first line that is none", () => {
  assert.equal(parseDockerfile("# foo=bar\n# escape=`\nFROM a").escape, "\\");
  assert.equal(parseDockerfile("\n# escape=`\nFROM a").escape, "\\");
  assert.equal(parseDockerfile("#syntax=x\n# ESCAPE = ` \nFROM a").escape, "`");
});

test("syntax is detected in other languages too", () => {
  assert.equal(parseDockerfile("# syntax=a/b:1 extra\nFROM x").syntax?.ref, "a/b:1");
  assert.equal(parseDockerfile("#!/usr/bin/env x\n// syntax = c\n").syntax?.ref, "c");
  assert.equal(parseDockerfile('{"syntax": "d", "x": 1}').syntax?.ref, "d");
  assert.equal(parseDockerfile("FROM x\n# syntax=a\n").syntax, undefined);
});

test("an escape character behind another does not continue the line", () => {
  const { instructions } = parseDockerfile("FROM a\nRUN echo \\\\\nRUN b \\ \n c");
  assert.deepEqual(
    instructions.map((node) => node.rest.text),
    ["a", "echo \\\\", "b  c"],
  );
});

test("edits leave the rest as it is", () => {
  const dockerfile = parseDockerfile(
    "# top\nFROM a \\\n # in\n AS b # no comment\n".replace(" # no comment", ""),
  );
  const [from] = dockerfile.instructions;
  const edited = printDockerfile(dockerfile, [
    { range: from!.words[2]!.range, text: "c" },
    { range: from!.words[0]!.range, text: "debian" },
  ]);
  assert.equal(edited, "# top\nFROM debian \\\n # in\n AS c\n");
  assert.equal(textAt(dockerfile, dockerfile.comments[1]!.range), "# in");
});
