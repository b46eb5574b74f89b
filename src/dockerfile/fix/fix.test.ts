import assert from "node:assert/strict";
import { test } from "node:test";
import { adviceFor } from "../advice/index.ts";
import type { RuleName } from "../lint/index.ts";
import { parseDockerfile } from "../parser/index.ts";
import { planStages, readStages } from "../stages/index.ts";
import { fixDockerfile } from "./fix.ts";

/** Fixes all that `rules` name on any line, and what is noticed about stages. */
function fixed(text: string, rules: readonly RuleName[], hasNoEntrypoint = true): string {
  const source = readStages(parseDockerfile(text));
  const every = text.split("\n").flatMap((_, i) =>
    rules.map((rule) => {
      const at = { line: i + 1, column: 0 };
      return { rule, ranges: [{ start: at, end: at }] };
    }),
  );
  const findings = [...every, ...adviceFor(planStages(source, { allStages: true }))];
  const result = fixDockerfile({ source, hasNoEntrypoint: () => hasNoEntrypoint }, findings);
  assert.ok(readStages(parseDockerfile(result.text)));
  return result.text;
}

test("casing is mended where a name is given and where it is used", () => {
  assert.equal(
    fixed(
      "# Top\nFROM a as  Build\nrun echo Build\nFROM Build\nCOPY   --from=Build a b\nRUN --mount=type=bind,from=Build,target=/y true\n",
      ["StageNameCasing", "FromAsCasing", "ConsistentInstructionCasing"],
    ),
    "# Top\nFROM a AS  build\n" +
      "RUN echo Build\nFROM build\nCOPY   --from=build a b\nRUN --mount=type=bind,from=build,target=/y true\n",
  );
});

test("old forms become new ones of the same meaning", () => {
  const rules = ["LegacyKeyValueFormat", "MaintainerDeprecated"] as const;
  assert.equal(
    fixed('from a\nENV  A   b c $D\nENV E f\nENV G "h i" j\nmaintainer Ada "A" $x <a@b> # kept\n', rules),
    'from a\nENV  A="b c $D"\nENV E=f\nENV G "h i" j\nlabel org.opencontainers.image.authors="Ada \\"A\\" \\$x <a@b> # kept"\n',
  );
});

test("commands of plain words become JSON, others stay", () => {
  const rules = ["JSONArgsRecommended"] as const;
  assert.equal(
    fixed("FROM a\nCMD node  server.js --port=80\n", rules),
    'FROM a\nCMD ["node", "server.js", "--port=80"]\n',
  );
  for (const command of [
    "exec node x",
    "node $PORT",
    "A=b node",
    "node x && y",
    "node 'x y'",
    "echo *",
    ". ./run",
  ])
    assert.equal(fixed(`FROM a\nCMD ${command}\n`, rules), `FROM a\nCMD ${command}\n`);
  assert.equal(fixed("FROM a\nCMD node x\n", rules, false), "FROM a\nCMD node x\n");
  assert.equal(
    fixed("FROM a\nENTRYPOINT node x\nCMD y\n", rules, false),
    "FROM a\nENTRYPOINT node x\nCMD y\n",
  );
  assert.equal(fixed("FROM a\nENTRYPOINT node x\n", rules, false), 'FROM a\nENTRYPOINT ["node", "x"]\n');
});

test("numbers become names, and stages without a name get one", () => {
  assert.equal(
    fixed(
      "FROM a\nRUN x\nFROM b AS build\nFROM scratch\nCOPY --from=0 /x /\nCOPY --chown=1 --from=1 /y /\nCOPY --from=0 /z /\n",
      [],
    ),
    "FROM a AS build2\nRUN x\nFROM b AS build\nFROM scratch\nCOPY --from=build2 /x /\nCOPY --chown=1 --from=build /y /\nCOPY --from=build2 /z /\n",
  );
});

test("what is useless goes, with its line and nothing else", () => {
  const rules = ["MultipleInstructionsDisallowed", "NoEmptyContinuation", "RedundantTargetPlatform"] as const;
  assert.equal(
    fixed(
      'FROM --platform=$TARGETPLATFORM a\r\nCMD ["x"]\r\n# why\r\nCMD ["y"]\r\nRUN a && \\\r\n\r\n  # c\r\n  b\r\nCMD ["z"]\r\n',
      rules,
    ),
    'FROM a\r\n# why\r\nCMD ["y"]\r\nRUN a && \\\r\n  # c\r\n  b\r\nCMD ["z"]\r\n',
  );
  assert.equal(fixed("FROM a\nRUN a \\\n\n", rules), "FROM a\nRUN a \\\n\n");
});

test("EXPOSE keeps port and protocol", () => {
  assert.equal(
    fixed("FROM a\nEXPOSE 80/TCP 127.0.0.1:90:91 81\n", ["ExposeProtoCasing"]),
    "FROM a\nEXPOSE 80/tcp 127.0.0.1:90:91 81\n",
  );
  assert.equal(
    fixed("FROM a\nEXPOSE 80 127.0.0.1:90:91 $P:1\n", ["ExposeInvalidFormat"]),
    "FROM a\nEXPOSE 80 91 $P:1\n",
  );
});
