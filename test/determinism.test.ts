import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { caseNames, casesDirectory } from "../reference/case.ts";
import { type ExportedImage, readOciArchive } from "../reference/export.ts";
import { readRecord } from "../reference/records.ts";
import { type Bases, buildCase, type CaseOptions, loadBases } from "./recorded-cases.ts";
import { createSandbox, isRoot, type Sandbox } from "./sandbox.ts";

const first = createSandbox("determinism");
const second = createSandbox("determinism-again");

/** After the times in the contexts, before today. */
const sourceDateEpoch = 1_750_000_000;

describe("the same build in another store, without a cache", () => {
  let bases: Bases;
  before(async () => {
    bases = await loadBases(first);
    await loadBases(second);
  });

  const imageOf = async (sandbox: Sandbox, name: string, options?: CaseOptions): Promise<ExportedImage> => {
    const { archive, error } = await buildCase(sandbox, bases, name, options);
    if (archive === undefined) throw error;
    return readOciArchive(archive);
  };

  for (const name of caseNames().filter((one) => readRecord(one).failure === undefined)) {
    const dockerfile = readFileSync(join(casesDirectory, name, "Dockerfile"), "utf8");
    const runs = /^\s*(ONBUILD )?RUN/im.test(dockerfile);
    // What a step writes has the time of the build, and so has what is copied from it.
    if (runs && (/--from|FROM (?!@|scratch)/.test(dockerfile) || !isRoot)) continue;

    test(`${name}: ${runs ? "what is copied makes the same layers" : "the same image"}`, async () => {
      const made = runs ? /^(COPY|ADD|WORKDIR) / : /./;
      const one = await imageOf(first, name);
      assert.deepEqual(layers(await imageOf(second, name, { noCache: true }), made), layers(one, made));
      if (runs) return;
      const dated = await imageOf(second, name, { noCache: true, sourceDateEpoch });
      assert.deepEqual(await imageOf(first, name, { noCache: true, sourceDateEpoch }), dated);
      // Directories that WORKDIR makes have the time that the build is given.
      assert.deepEqual(layers(dated, /^(COPY|ADD) /), layers(one, /^(COPY|ADD) /));
    });
  }
});

/** Diff ids of the layers whose instructions match, with the instructions. */
function layers({ config }: ExportedImage, made: RegExp): string[] {
  const steps = (config.history ?? []).filter(({ empty_layer }) => !empty_layer);
  const ids = config.rootfs.diff_ids ?? [];
  assert.equal(steps.length, ids.length);
  return ids.map((id, index) => `${steps[index]!.created_by}: ${id}`).filter((line) => made.test(line));
}
