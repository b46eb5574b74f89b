import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { caseNames } from "../reference/case.ts";
import { differingCases, intendedDifferences } from "../reference/differences.ts";
import { type Bases, buildCase, differences, loadBases } from "./recorded-cases.ts";
import { createSandbox, isRoot } from "./sandbox.ts";

const sandbox = createSandbox("reference");

describe("as BuildKit recorded it", { skip: isRoot ? false : "RUN needs root" }, () => {
  let bases: Bases;
  before(async () => {
    bases = await loadBases(sandbox);
  });

  for (const name of caseNames())
    test(name, async () => {
      const built = await buildCase(sandbox, bases, name);
      const intended = intendedDifferences(name).flatMap(({ lines }) => lines);
      assert.deepEqual(differences(name, built, bases), intended);
    });

  test("every known difference is of a case that there is", () => {
    const names = caseNames({ remote: true });
    assert.deepEqual(
      differingCases().filter((name) => !names.includes(name)),
      [],
    );
  });
});
