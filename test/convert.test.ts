import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { checkout, createSandbox, isRoot } from "./sandbox.ts";
import { missingPrograms, type StandIns, sizeOf, startStandIns } from "./stand-ins.ts";

const skip = !isRoot ? "RUN needs root" : missingPrograms.length > 0 && `needs ${missingPrograms.join(", ")}`;

const sandbox = createSandbox("convert");

const singleStage = `FROM node:18
WORKDIR /app
COPY . .
RUN npm install
RUN npm run build
CMD ["node", "dist/server.js"]
# Problem: the image has build tools, sources, everything
`;

/** An application whose build step bundles two files into one. */
const application = {
  "package.json": JSON.stringify({ name: "app", private: true, scripts: { build: "node tools/bundle.js" } }),
  "tools/bundle.js":
    'const fs = require("node:fs");\nfs.mkdirSync("dist");\n' +
    'fs.writeFileSync("dist/server.js", fs.readFileSync("src/greeting.js", "utf8") + fs.readFileSync("src/server.js", "utf8"));\n',
  "src/greeting.js": 'const greeting = "served";\n',
  "src/server.js": "console.log(greeting, process.cwd());\n",
};

describe("convert, proven by building", { skip }, () => {
  let standIns: StandIns;
  before(async () => {
    standIns = await startStandIns(sandbox);
  });
  after(() => standIns?.registry.stop());

  test("the image of the converted Dockerfile does the same, and is at least 60 % smaller", async () => {
    const context = sandbox.files("node", { ...application, Dockerfile: singleStage });
    const output = join(context, "Dockerfile.multi");
    const { stderr } = await sandbox.ok(["convert", "-o", output, context]);
    assert.match(stderr, /^ - Node with npm: built from node:18, shipped from node:18-alpine\.$/m);
    const text = readFileSync(output, "utf8");
    assert.ok(text.endsWith("# Problem: the image has build tools, sources, everything\n"));

    await sandbox.ok(["build", "-t", "single", context], standIns);
    await sandbox.ok(["build", "-t", "multi", "-f", output, context], standIns);
    for (const image of ["single", "multi"])
      assert.equal((await sandbox.ok(["run", "--rm", image])).stdout, "served /app\n");
    const [single, multi] = [await sizeOf(sandbox, "single"), await sizeOf(sandbox, "multi")];
    assert.ok(multi <= 0.4 * single, `${multi} of ${single} bytes`);
    const listed = await sandbox.ok(["run", "--rm", "multi", "sh", "-c", "ls /app"]);
    assert.equal(listed.stdout, "dist\npackage.json\n");

    const advice = await sandbox.run(["check", "-f", output, context]);
    assert.doesNotMatch(advice.stdout, /About the stages/);
    assert.equal(advice.code, 0, advice.stdout);
  });

  test("a Go server is shipped as one file and its certificates", async () => {
    const folder = join(checkout, "examples", "web-server");
    const output = join(sandbox.directory, "web.Dockerfile");
    await sandbox.ok(["convert", "-f", join(folder, "single-stage.Dockerfile"), "-o", output, folder]);
    await sandbox.ok(["build", "-t", "web", "-f", output, folder], standIns);
    const files = join(sandbox.directory, "web-files");
    await sandbox.ok(["build", "-o", files, "-f", output, folder], standIns);
    assert.deepEqual(
      readdirSync(files, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => entry.name)
        .sort(),
      ["ca-certificates.crt", "webserver"],
    );
    const [{ Config }] = JSON.parse((await sandbox.ok(["inspect", "web"])).stdout);
    assert.deepEqual(
      [Config.Cmd, Config.WorkingDir, Config.ExposedPorts],
      [["./webserver"], "/out", { "8080/tcp": {} }],
    );
  });
});

test("the single-stage example becomes one with two stages", async () => {
  const folder = join(checkout, "examples", "node-app");
  const { stdout } = await sandbox.ok(["convert", "-f", join(folder, "single-stage.Dockerfile"), folder]);
  assert.match(stdout, /^# Everything in one stage: .*\nFROM node:18 AS build\n/m);
  assert.match(stdout, /\nCOPY package\.json package-lock\.json \.\/\nRUN --mount=type=secret,id=npmrc,/);
  assert.match(stdout, /\nFROM node:18-alpine\n(.*\n)*EXPOSE 3000\nCMD \["node", "dist\/server\.js"\]\n$/);
});

test("convert refuses with the reason, and replaces nothing unasked", async () => {
  const context = sandbox.files("refused", {
    Dockerfile: "FROM python:3\nCOPY . .\nRUN make\nCMD python app.py\n",
  });
  const output = join(context, "out");
  const refused = await sandbox.run(["convert", "-o", output, context]);
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^ERROR: this Dockerfile is not converted: programs in python run from their sources.*\nHint: /,
  );
  assert.ok(!existsSync(output));
  const known = sandbox.files("known", { ...application, Dockerfile: singleStage });
  const file = join(known, "Dockerfile");
  assert.match((await sandbox.run(["convert", "-o", file, known])).stderr, /is there already\nHint: --force/);
  assert.equal(readFileSync(file, "utf8"), singleStage);
  await sandbox.ok(["convert", "-o", file, "--force", known]);
  assert.match(readFileSync(file, "utf8"), /FROM node:18-alpine/);
});
