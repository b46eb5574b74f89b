import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { caseNames, readCase } from "../reference/case.ts";
import { intendedDifferences } from "../reference/differences.ts";
import { makeRemote, serveRemote } from "../reference/remote.ts";
import { type Bases, buildCase, differences, loadBases } from "./recorded-cases.ts";
import { createSandbox } from "./sandbox.ts";

const sandbox = createSandbox("reference-remote");

describe("what is fetched, as BuildKit recorded it", () => {
  let bases: Bases;
  let remote: { close(): Promise<void> };
  before(async () => {
    bases = await loadBases(sandbox);
    const directory = join(sandbox.directory, "remote");
    makeRemote(directory);
    remote = await serveRemote(directory);
  });
  after(() => remote?.close());

  for (const name of caseNames({ remote: true }).filter((one) => readCase(one).remote))
    test(name, async () => {
      const built = await buildCase(sandbox, bases, name);
      const intended = intendedDifferences(name).flatMap(({ lines }) => lines);
      assert.deepEqual(differences(name, built, bases), intended);
    });
});
