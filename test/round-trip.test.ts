import assert from "node:assert/strict";
import { copyFileSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { before, describe, test } from "node:test";
import { netBindCapability } from "../reference/base.ts";
import { intendedDifferences } from "../reference/differences.ts";
import { readOciArchive } from "../reference/export.ts";
import { type Bases, buildCase, differences, loadBases } from "./recorded-cases.ts";
import { createSandbox, isRoot, tool } from "./sandbox.ts";

const sandbox = createSandbox("round-trip");
const formats = ["oci", "docker"] as const;

/** An image that steps made leaves the store, enters a fresh one, and a step on top looks at everything. */
describe("RUN, export, load, RUN", { skip: isRoot ? false : "RUN needs root" }, () => {
  let bases: Bases;
  before(async () => {
    bases = await loadBases(sandbox);
  });

  for (const name of ["round-trip", "round-trip-many"])
    for (const archiveType of formats)
      test(`${name} through an archive of type ${archiveType}: as if it had never left`, async () => {
        const root = join(sandbox.directory, `${name}-${archiveType}`);
        const made = await buildCase(sandbox, bases, name, { target: "made", tags: ["made"], archiveType });
        await sandbox.ok(["load", "--root", root, "-i", made.archive!]);
        const looked = await buildCase(sandbox, bases, name, {
          root,
          dockerfile: (text) => `FROM made AS made\n${text.slice(text.indexOf("FROM made AS look"))}`,
        });
        const intended = intendedDifferences(name).flatMap(({ lines }) => lines);
        assert.deepEqual(differences(name, looked, bases), intended);
      });

  test("layers have the same diff ids, whether a step wrote them or an archive brought them", async () => {
    const root = join(sandbox.directory, "other");
    const made = await buildCase(sandbox, bases, "round-trip", { target: "made", tags: ["made"] });
    await sandbox.ok(["load", "--root", root, "-i", made.archive!]);
    const [before, after] = [
      await buildCase(sandbox, bases, "round-trip"),
      await buildCase(sandbox, bases, "round-trip", {
        root,
        dockerfile: () => "FROM made AS made\nFROM made AS look\nRUN sh /look.sh\n",
      }),
    ].map(({ archive }) => readOciArchive(archive!).config.rootfs.diff_ids!);
    assert.deepEqual(after!.slice(0, -1), before!.slice(0, -1));
    assert.ok(after!.length > 12);
  });

  test("a step sees the file capabilities that getfattr shows", async () => {
    const made = await buildCase(sandbox, bases, "round-trip", { target: "made", tags: ["made"] });
    const root = join(sandbox.directory, "capabilities");
    await sandbox.ok(["load", "--root", root, "-i", made.archive!]);
    const probe = await probeDirectory();
    const context = sandbox.files("look", {
      Dockerfile: `FROM made
RUN --mount=type=bind,from=probe,target=/probe cd /probe && ./loader --library-path . ./getfattr \\
    -n security.capability -e hex --absolute-names /modes/capable
`,
    });
    const built = await sandbox.ok([
      ...["build", "--root", root, "--progress", "plain", "--build-context", `probe=${probe}`, context],
    ]);
    assert.match(built.stderr, new RegExp(`security\\.capability=0x${netBindCapability.toString("hex")}`));
  });
});

/** This machine's getfattr with what it links to. */
async function probeDirectory(): Promise<string> {
  const directory = join(sandbox.directory, "probe");
  mkdirSync(directory);
  const program = "/usr/bin/getfattr";
  copyFileSync(program, join(directory, "getfattr"));
  for (const [, library] of (await tool("ldd", [program])).matchAll(/(\/\S+) \(0x/g))
    copyFileSync(library!, join(directory, /\/ld-[^/]*$/.test(library!) ? "loader" : basename(library!)));
  return directory;
}
