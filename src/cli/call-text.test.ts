import assert from "node:assert/strict";
import { test } from "node:test";
import { newerChecks } from "../../reference/differences.ts";
import type { CheckResult } from "../build/index.ts";
import { BuildError } from "../core/index.ts";
import { lintDockerfile, listTargets, outlineDockerfile } from "../frontend/index.ts";
import {
  type Recorded,
  type RecordedCall,
  readRecorded,
  recordedBridge,
  recordedNames,
  recordedOptions,
} from "../frontend/testing/recorded.ts";
import { checkErrorText, checkJson, checkText, outlineText, targetsText } from "./call-text.ts";

/** What stagewright prints for `--call` against what docker's buildx printed. */

/** A target may be a number here: see `intendedDifferences`. */
const names = recordedNames().filter((name) => name !== "error-target-by-number.json");

test("there are calls to compare with", () => {
  const found = names.map((name) => readRecorded(name).calls);
  assert.ok(found.filter(({ check }) => check.status === 1).length > 20);
  assert.ok(found.filter(({ outline }) => outline.json !== undefined).length > 90);
});

for (const name of names) {
  const recorded = readRecorded(name);
  const { dockerfile } = recorded.inputs;

  test(`${name}: --call check`, async () => {
    const { check } = recorded.calls;
    const result = await checkOf(recorded);
    const ours = withoutTexts(checkJson(result)) as FoundChecks;
    if (newerChecks[name.replace(/\.json$/, "")] !== undefined) return;
    const theirs = check.json as FoundChecks;
    const placed = Object.keys(theirs.buildError?.location.ranges?.[0]?.start ?? {}).length > 0;
    assert.deepEqual(sorted(ours, placed), sorted(theirs, placed));
    assert.equal(Number(result.error !== undefined || result.warnings.length > 0), check.status);
    if (result.error !== undefined) {
      assert.match(checkErrorText(result.error, result.file), /^ERROR: /);
      assert.equal(checkText(result), check.failure === undefined ? textOf(check) : "");
    } else assert.equal(checkText(result), textOf(check));
  });

  test(`${name}: --call outline`, async () => {
    const { outline } = recorded.calls;
    const ours = await outlineDockerfile(dockerfile, optionsOf(recorded), recordedBridge(new Map())).catch(
      failureOf,
    );
    if (ours instanceof BuildError)
      return assert.ok(sortedRules(outline.failure).includes(ours.message), ours.message);
    assert.deepEqual(inLines(withoutTexts(ours)), inLines(outline.json));
    if (oneArgEachLine(outline.json)) assert.equal(outlineText(ours), textOf(outline));
  });

  test(`${name}: --call targets`, async () => {
    const { targets } = recorded.calls;
    const ours = await Promise.resolve()
      .then(() => listTargets(dockerfile, "Dockerfile"))
      .catch(failureOf);
    if (ours instanceof BuildError) return assert.ok(targets.failure?.includes(ours.message), ours.message);
    assert.deepEqual(withoutTexts(ours), targets.json);
    assert.equal(targetsText(ours), textOf(targets));
  });
}

async function checkOf(recorded: Recorded): Promise<CheckResult> {
  const { dockerfile } = recorded.inputs;
  const result = await lintDockerfile(dockerfile, optionsOf(recorded), recordedBridge(new Map()));
  const file = { name: "Dockerfile", shown: "/work/context/Dockerfile", content: Buffer.from(dockerfile) };
  return { ...result, file, unknownBases: [] };
}

/** A call has no labels and no session, and nothing is granted because nothing runs. */
function optionsOf(recorded: Recorded) {
  const { labels: _, sessionId: __, entitlements: ___, ...options } = recordedOptions(recorded);
  return options;
}

function failureOf(error: unknown): BuildError {
  if (error instanceof BuildError) return error;
  throw error;
}

/** buildx ends the progress with a line of its own. */
function textOf({ text }: RecordedCall): string {
  return text.replace(/^\n/, "");
}

/** As a record has it: names of the sources alone. */
function withoutTexts(value: unknown): unknown {
  const { sources, ...rest } = JSON.parse(JSON.stringify(value)) as { sources: readonly unknown[] };
  const names = sources.map((source) => {
    if (typeof source === "string") return "Dockerfile";
    const { data: _, ...shown } = source as { data: string };
    return shown;
  });
  return { ...rest, sources: names };
}

interface FoundChecks {
  readonly warnings: readonly unknown[] | null;
  readonly buildError?: {
    readonly message: string;
    readonly location: { readonly ranges?: readonly { readonly start: object }[] };
  };
}

/**
 * Where BuildKit goes through a map, its order is random, and which of several near names it suggests. Of an error's
 * place the first line is compared: ours may be narrower, and is there where BuildKit knows none.
 */
function sorted({ warnings, buildError, ...rest }: FoundChecks, placed: boolean): unknown {
  const shown = warnings === null ? null : warnings.map((warning) => JSON.stringify(warning)).sort();
  if (buildError === undefined) return { ...rest, warnings: shown };
  const message = sortedRules(buildError.message).replace(/(?<=did you mean ).*(?=\?)/, "one of several");
  const line = placed ? buildError.location.ranges?.[0] : undefined;
  return { ...rest, warnings: shown, buildError: { message, line } };
}

function sortedRules(text = ""): string {
  return text.replace(/(?<=rules: ).*/, (rules) => rules.split(", ").sort().join(", "));
}

interface FoundArgs {
  readonly args?: readonly {
    readonly name: string;
    readonly location: { ranges: { start: { line: number } }[] };
  }[];
}

function lines({ args = [] }: FoundArgs): number[] {
  return args.map(({ location }) => location.ranges[0]!.start.line);
}

/** Several ARGs of one line come in random order. */
function inLines(value: unknown): unknown {
  const outline = value as FoundArgs;
  if (outline.args === undefined) return outline;
  assert.deepEqual(
    lines(outline),
    lines(outline).sort((a, b) => a - b),
  );
  return { ...outline, args: [...outline.args].sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

function oneArgEachLine(value: unknown): boolean {
  const found = lines(value as FoundArgs);
  return new Set(found).size === found.length;
}
