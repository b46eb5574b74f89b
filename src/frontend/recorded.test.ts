import assert from "node:assert/strict";
import { test } from "node:test";
import { newerChecks } from "../../reference/differences.ts";
import { BuildError, type Digest, digestOf } from "../core/index.ts";
import { encodeConfig } from "../image/index.ts";
import { inOrder, marshalDefinition } from "../llb/index.ts";
import { dockerfileToLlb, type FrontendOptions, type FrontendResult } from "./index.ts";
import { definitionSource, dockerignoreSource } from "./testing/internal-sources.ts";
import {
  type Recorded,
  readRecorded,
  recordedBridge,
  recordedNames,
  recordedOptions,
} from "./testing/recorded.ts";

/** Vertices that are no part of the graph: look-ups and exports. */
const besides =
  /^(\[internal\] load (metadata|build definition|\.dockerignore)|exporting |resolving provenance)/;

const cases = recordedNames();

test("there is something to compare with", () => assert.ok(cases.length > 50));

for (const name of cases) {
  const recorded = readRecorded(name);
  test(`${name}: digests, image configuration and history are BuildKit's`, async () => {
    const options = recordedOptions(recorded);
    const lookUps = new Map<string, Digest>();
    const result = await dockerfileToLlb(recorded.inputs.dockerfile, options, recordedBridge(lookUps)).catch(
      (error: unknown) => error,
    );
    if (result instanceof BuildError && recorded.failure !== undefined)
      return assert.ok(sortedRules(recorded.failure).includes(result.message), result.message);
    if (result instanceof Error) throw result;
    if (!acceptedHere(recorded)) assert.fail(recorded.failure);
    const { edge, config, warnings } = result as FrontendResult;
    const checks = warnings.filter((warning) => warning.rule !== undefined);
    assert.deepEqual(
      checks.map(({ rule, message, ranges }) => `${rule}: ${message} (line ${ranges[0]?.start.line})`).sort(),
      withNewerChecks(
        name,
        recorded.warnings.map((warning) => warning.short),
      ).sort(),
    );
    const vertices = edge === undefined ? [] : inOrder(edge.vertex);
    const printed = recorded.vertices.filter((vertex) => !besides.test(vertex.name));
    if (recorded.failure === undefined) {
      const misnumbered = misnumberedStages(printed);
      assert.deepEqual(
        namesByDigest(
          vertices.map((v) => ({ ...v, name: v.metadata.name })),
          misnumbered,
        ),
        namesByDigest(printed, misnumbered),
      );
      const definition = marshalDefinition(edge).def.map((op) => digestOf(op));
      assert.deepEqual(definition.sort(), Object.keys(recorded.llb?.digestMapping ?? {}).sort());
      const written = encodeConfig({ ...config, rootfs: { type: "layers", diff_ids: [] } });
      assert.deepEqual(withoutTimes(JSON.parse(written.toString())), recorded.config);
    } else {
      const ours = new Set(vertices.map((vertex) => vertex.digest));
      for (const vertex of printed) assert.ok(ours.has(vertex.digest), vertex.name);
    }
    checkInternals(recorded, options, lookUps);
  });
}

/** BuildKit names the rules that a file violates in random order. */
function sortedRules(failure: string): string {
  return failure.replace(/(?<=lint violation found for rules: ).*/, (rules) =>
    rules.split(", ").sort().join(", "),
  );
}

/** What a newer BuildKit than the recorded one would have printed. */
function withNewerChecks(file: string, recorded: readonly string[]): string[] {
  const { gone = [], added = [] } = newerChecks[file.replace(/\.json$/, "")] ?? {};
  const leaves = (text: string) =>
    gone.find((check) => text.startsWith(check.rule) && text.endsWith(check.end));
  for (const check of gone)
    assert.ok(
      recorded.some((text) => leaves(text) === check),
      `${check.rule} is not there`,
    );
  return [...recorded.filter((text) => leaves(text) === undefined), ...added];
}

/** Whether the frontend must accept the file: BuildKit failed in a step at most. A target's number is taken only here. */
function acceptedHere({ vertices, failure, inputs }: Recorded): boolean {
  return (
    failure === undefined ||
    vertices.some((vertex) => !besides.test(vertex.name)) ||
    failure.includes("invalid user index") ||
    /^\d+$/.test(inputs.target ?? "")
  );
}

type Named = readonly { readonly digest: string; readonly name: string }[];

const numbered = /^\[(.*) (\d+)\/(\d+)\]/;

/** BuildKit counts the steps of a stage that an ONBUILD trigger copies from twice: `[helper 3/2]`. */
function misnumberedStages(vertices: Named): ReadonlySet<string> {
  const stages = vertices.map(({ name }) => numbered.exec(name));
  return new Set(
    stages.flatMap((match) => (match && Number(match[2]) > Number(match[3]) ? [match[1]!] : [])),
  );
}

function namesByDigest(vertices: Named, misnumbered: ReadonlySet<string>): Record<string, string> {
  const shown = (name: string) =>
    misnumbered.has(numbered.exec(name)?.[1] ?? "") ? name.replace(numbered, "[$1]") : name;
  return Object.fromEntries(vertices.map(({ digest, name }) => [digest, shown(name)] as const).sort());
}

function withoutTimes({ rootfs: _, created: _when, history, ...rest }: Record<string, unknown>): unknown {
  const steps = (history as readonly Record<string, unknown>[] | undefined) ?? [];
  return { ...rest, history: steps.map(({ created: _step, ...step }) => step) };
}

function checkInternals(
  { vertices }: Recorded,
  options: FrontendOptions,
  lookUps: ReadonlyMap<string, Digest>,
): void {
  for (const { name, digest } of vertices) {
    if (name.startsWith("[internal] load build definition"))
      assert.equal(definitionSource(options).digest, digest);
    if (name === "[internal] load .dockerignore") assert.equal(dockerignoreSource(options).digest, digest);
    if (name.startsWith("[internal] load metadata")) assert.equal(lookUps.get(name), digest);
  }
}
