import assert from "node:assert/strict";
import { test } from "node:test";
import { adviceFor, fixDockerfile } from "../dockerfile/index.ts";
import { inOrder } from "../llb/index.ts";
import { dockerfileToLlb, type FrontendResult, lintDockerfile } from "./index.ts";
import { readRecorded, recordedBridge, recordedNames, recordedOptions } from "./testing/recorded.ts";

/** Files whose checks were mended mean the same: on every Dockerfile of the corpus. */

let mended = 0;

for (const name of recordedNames()) {
  const recorded = readRecorded(name);
  const { dockerfile } = recorded.inputs;
  test(`${name}: fixes change no operation`, async () => {
    const options = recordedOptions(recorded);
    const bridge = recordedBridge(new Map());
    const { warnings, converted } = await lintDockerfile(dockerfile, options, bridge);
    if (converted === undefined) return;
    const hasNoEntrypoint = (stage: number) =>
      (converted.states.get(stage)?.image.config.Entrypoint ?? []).length === 0;
    const { text, fixes } = fixDockerfile({ source: converted.source, hasNoEntrypoint }, [
      ...warnings,
      ...adviceFor(converted.graph),
    ]);
    if (fixes.length === 0) return assert.equal(text, dockerfile.replace(/^\ufeff/, "\ufeff"));
    mended++;
    const before = await dockerfileToLlb(dockerfile, options, bridge).catch(() => undefined);
    if (before === undefined) return;
    const after = await dockerfileToLlb(text, options, bridge);
    assert.deepEqual(operations(after), operations(before), text);
    assert.deepEqual(comparable(after), comparable(before), text);
    const left = await lintDockerfile(text, options, bridge);
    assert.equal(left.error, undefined);
    assert.ok(
      left.warnings.length < warnings.length || fixes.every(({ rule }) => rule === "StageByNumber"),
      text,
    );
  });
}

test("the corpus has something to mend", () => assert.ok(mended > 20, `${mended}`));

function operations({ edge }: FrontendResult): string[] {
  return edge === undefined ? [] : inOrder(edge.vertex).map(({ digest }) => digest);
}

/** The configuration without what fixes are meant to change: commands in JSON form, and who maintains it. */
function comparable({ config: { config, history: _, author: __, ...rest } }: FrontendResult): unknown {
  const { Cmd, Entrypoint, Labels, ...same } = config;
  const { "org.opencontainers.image.authors": ___, ...labels } = Labels ?? {};
  return { ...rest, config: { ...same, labels, command: [...wordsOf(Entrypoint), ...wordsOf(Cmd)] } };
}

function wordsOf(command: readonly string[] = []): readonly string[] {
  const [shell, flag, text] = command;
  return shell === "/bin/sh" && flag === "-c" ? (text ?? "").trim().split(/\s+/) : command;
}
