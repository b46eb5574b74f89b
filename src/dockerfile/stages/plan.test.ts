// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError } from "../../core/index.ts";
import { checkOptionsOf, shownWarnings } from "../lint/index.ts";
import { parseDockerfile } from "../parser/index.ts";
import { type PlanOptions, planStages, readStages, type StageGraph } from "./index.ts";

const amd64 = { os: "linux", architecture: "amd64" };

function plan(text: string, options: PlanOptions = {}): StageGraph {
  return planStages(readStages(parseDockerfile(text)), { buildPlatform: amd64, ...options });
}

function refused(text: string, options: PlanOptions = {}): BuildError {
  let caught: unknown;
  try {
    plan(text, options);
  } catch (error) {
    caught = error;
  }
  assert.ok(caught instanceof BuildError, `not refused: ${text}`);
  return caught;
}

const diamond = `FROM debian AS base
FROM base AS stage1
RUN false
FROM base AS Stage2
COPY --from=0 /a /b
FROM scratch
COPY --from=stage2 /b /b
RUN --mount=from=tools,target=/t true
`;

test("only what the target needs is needed, with the reason", () => {
  const graph = plan(diamond, { target: "STAGE2" });
  assert.deepEqual(graph.needed, [0, 2]);
  assert.deepEqual(
    graph.stages.map((stage) => stage.reasonText),
    ["base of stage stage2 (line 4)", "not needed by target stage2", "target", "not needed by target stage2"],
  );
  assert.deepEqual(plan(diamond).needed, [0, 2, 3]);
  assert.deepEqual(plan(diamond, { target: "1" }).needed, [0, 1]);
  assert.deepEqual(
    plan(diamond).stages[3]!.uses.map((use) => [use.by, use.source]),
    [
      ["copy", { kind: "stage", stage: 2 }],
      ["mount", { kind: "image", name: "tools" }],
    ],
  );
});

test("the classic builder takes every stage before the target too, and no later one", () => {
  const graph = plan(diamond, { target: "stage2", earlierStages: true });
  assert.deepEqual(graph.needed, [0, 1, 2]);
  assert.equal(graph.stages[1]!.reasonText, "stands before target stage2");
  const outOfOrder = "FROM a AS x\nCOPY --from=y / /\nFROM b AS y\nFROM c\n";
  assert.deepEqual(plan(outOfOrder).needed, [2]);
  assert.match(
    refused(outOfOrder, { earlierStages: true }).message,
    /needs to be defined before current stage/,
  );
});

test("bases expand in the global scope", () => {
  const text = "ARG V=1\nARG TAG=x-$V\nARG NONE\nFROM --platform=linux/$TARGETARCH img:$TAG AS a\nFROM a";
  const graph = plan(text, { buildArgs: { V: "2" } });
  assert.equal(graph.stages[0]!.baseName, "img:x-2");
  assert.deepEqual(graph.stages[0]!.platform, amd64);
  assert.deepEqual([...graph.stages[0]!.usedArgs], ["TAG", "TARGETARCH"]);
  assert.equal(graph.globalArgs.get("TARGETSTAGE"), "default");
  assert.equal(graph.globalArgs.has("NONE"), false);
  assert.deepEqual(graph.stages[1]!.base, { kind: "stage", stage: 0 });
});

test("named contexts replace stages and images", () => {
  const namedContext = (name: string) => name === "stage2" || name === "tools" || name === "scratch";
  const graph = plan(diamond, { namedContext });
  assert.deepEqual(graph.needed, [2, 3]);
  assert.equal(graph.stages[2]!.replacedBy, "stage2");
  assert.deepEqual(graph.stages[3]!.base, { kind: "scratch" });
  assert.deepEqual(graph.stages[3]!.uses[1]!.source, { kind: "context", name: "tools" });
});

test("triggers of a base add to what a stage needs", () => {
  const text = "FROM x AS files\nFROM y AS base\nONBUILD COPY --from=files /a /a\nFROM base\nFROM z";
  assert.deepEqual(plan(text, { target: "2" }).needed, [0, 1, 2]);
  const graph = plan(text, { triggers: new Map([[3, ["COPY --from=files /b /b", "RUN x"]]]) });
  assert.deepEqual(graph.needed, [0, 3]);
  assert.deepEqual(
    graph.stages[3]!.triggers.map((trigger) => [trigger.kind, trigger.range.start.line]),
    [
      ["copy", 5],
      ["run", 5],
    ],
  );
  assert.match(
    refused(text, { triggers: new Map([[3, ["COPY a"]]]) }).message,
    /^COPY requires at least two arguments/,
  );
});

test("what makes no graph is refused", () => {
  const target = refused(diamond, { target: "stgae1" });
  assert.equal(target.code, "not-found");
  assert.match(target.message, /target stage "stgae1" could not be found/);
  assert.match(target.hint ?? "", /did you mean stage1\? stages: 0 \(base\), 1 \(stage1\), 2 \(stage2\), 3/);
  const cycle = refused("FROM a AS x\nCOPY --from=y . .\nFROM b AS y\nRUN --mount=from=x z\nFROM c");
  assert.equal(cycle.message, "circular dependency detected on stage: x");
  assert.deepEqual(
    cycle.details.source?.ranges.map((range) => range.start.line),
    [2, 4],
  );
  assert.match(refused("FROM a AS x\nCOPY --from=x . .").message, /circular dependency/);
  assert.match(
    refused("FROM a\nCOPY --from=1 . .\nFROM b\nFROM 0", { target: "0" }).message,
    /cannot copy from stage "1"/,
  );
  assert.deepEqual(plan("FROM a\nCOPY --from=1 . .\nFROM b").needed, [1]);
  assert.match(refused("FROM a\nCOPY --from=7 . .\nFROM b").message, /invalid stage index 7/);
  assert.match(
    refused("FROM a\nCOPY --from=$x . .").message,
    /variable expansion is not supported for --from/,
  );
  const blank = refused("ARG VERSION=\nFROM $VERSON");
  assert.match(blank.message, /base name \(\$VERSON\) should not be blank/);
  assert.match(
    refused("FROM --platform=a/b/c/d x").message,
    /failed to parse platform a\/b\/c\/d: "a\/b\/c\/d": cannot parse platform specifier/,
  );
  assert.match(refused("ARG x\n").message, /contains no stages/);
  assert.match(refused("RUN x\nFROM a").message, /no build stage in current context/);
});

test("a long chain of stages neither recurses nor takes long", () => {
  const lines = ["FROM scratch AS s0"];
  for (let i = 1; i < 20_000; i++) lines.push(`FROM scratch AS s${i}`, `COPY --from=s${i - 1} / /`);
  assert.equal(plan(lines.join("\n")).needed.length, 20_000);
});

test("checks are reported by BuildKit's names", () => {
  const graph = plan(
    `ARG known
FROM $known$knwn a as B
FROM --platform=$TARGETPLATFORM x AS b
MAINTAINER me
Env a b
CMD x
CMD y
FROM --platform=linux/arm64 b
`
      .replace("$known$knwn a", "x$known$knwn")
      .replace("FROM --platform=linux/arm64 b", "FROM --platform=linux/arm64 b AS scratch"),
  );
  const found = graph.warnings.map((warning) => `${warning.rule} ${warning.ranges[0]!.start.line}`).sort();
  assert.deepEqual(found, [
    "ConsistentInstructionCasing 5",
    "DuplicateStageName 3",
    "FromAsCasing 2",
    "FromPlatformFlagConstDisallowed 8",
    "MaintainerDeprecated 4",
    "RedundantTargetPlatform 3",
    "ReservedStageName 8",
    "StageNameCasing 2",
    "UndefinedArgInFrom 2",
  ]);
  const near = graph.warnings.find((warning) => warning.rule === "UndefinedArgInFrom");
  assert.equal(near?.message, "FROM argument 'knwn' is not declared (did you mean known?)");
});

test("checks can be skipped, for the file or one instruction", () => {
  const text =
    "# check=skip=StageNameCasing\nFROM a AS Base\n# check=skip=MaintainerDeprecated\nMAINTAINER x\nMAINTAINER y\n" +
    "# check=experimental=all\nARG v\n# words\nARG w\n# check=skip=all words\nFROM a as x\nFROM a as y\n";
  const stages = readStages(parseDockerfile(text));
  const warnings = planStages(stages).warnings;
  const shown = (options?: string) =>
    shownWarnings(warnings, stages.dockerfile, checkOptionsOf(stages.dockerfile, options)).map(
      ({ rule, ranges }) => `${rule} ${ranges[0]?.start.line}`,
    );
  assert.deepEqual(shown(), ["MaintainerDeprecated 5", "InvalidDefinitionDescription 7", "FromAsCasing 12"]);
  assert.deepEqual(shown("skip=all;experimental=InvalidDefinitionDescription"), [
    "InvalidDefinitionDescription 7",
    "InvalidDefinitionDescription 9",
    "InvalidDefinitionDescription 11",
  ]);
  assert.throws(
    () => shown("skip"),
    /failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: invalid check option "skip"/,
  );
});
