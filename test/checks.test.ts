import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createSandbox, isRoot } from "./sandbox.ts";

const sandbox = createSandbox("checks");

const careless = `# syntax=docker/dockerfile:1
from scratch as Files   
COPY a /a

# the image
FROM scratch
ENV PORT 3000
copy --from=0 /a /a
CMD /a --now
`;

test("build --check finds, builds nothing, and says so by its exit code", async () => {
  const context = sandbox.files("call", { Dockerfile: careless, a: "" });
  const found = await sandbox.run(["build", "--check", "-t", "nothing", context]);
  assert.equal(found.code, 1);
  assert.match(
    found.stdout,
    /^Check complete, 5 warnings have been found!\n\nWARNING: StageNameCasing - https:/,
  );
  assert.equal((await sandbox.ok(["images", "-q"])).stdout, "");
  const json = await sandbox.run(["build", "--call=lint,format=json,ignorestatus=true", context]);
  assert.equal(json.code, 0);
  const { warnings, sources } = JSON.parse(json.stdout);
  assert.deepEqual(
    warnings.map((warning: { ruleName: string }) => warning.ruleName),
    [
      ...["StageNameCasing", "ConsistentInstructionCasing", "ConsistentInstructionCasing"],
      ...["LegacyKeyValueFormat", "JSONArgsRecommended"],
    ],
  );
  assert.equal(Buffer.from(sources[0].data, "base64").toString(), careless);
});

test("build --check of a file that cannot be built", async () => {
  const context = sandbox.files("broken", { Dockerfile: "FROM scratch AS x\nCMD x\nRNU x\n" });
  const { code, stdout, stderr } = await sandbox.run(["build", "--check", context]);
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(
    stderr,
    /ERROR: .*unknown instruction: RNU\n.*Dockerfile:3\n-+\n(.*\n){3,}-+\nHint: did you mean RUN\?\n$/,
  );
});

test("BUILDKIT_DOCKERFILE_CHECK takes the place of the check directive", async () => {
  const context = sandbox.files("argument", { Dockerfile: "# check=error=true\nFROM scratch\nCMD x\n" });
  assert.equal((await sandbox.run(["build", context])).code, 1);
  const skip = ["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all"];
  assert.equal((await sandbox.run(["build", "--check", ...skip, context])).code, 0);
  await sandbox.ok(["build", ...skip, context]);
});

test("--call targets and outline, as text and JSON", async () => {
  const context = sandbox.files("outline", {
    Dockerfile:
      "# MODE how it is made\nARG MODE=fast\n# made has it\nFROM scratch AS made\nARG MODE\nFROM busybox\n" +
      "RUN --mount=type=secret,id=key,required true\n",
  });
  const call = async (method: string) =>
    (await sandbox.ok(["build", "-q", `--call=${method}`, context])).stdout;
  assert.equal(await call("targets"), "TARGET    DESCRIPTION\nmade      has it\n(default) \n");
  assert.deepEqual(JSON.parse(await call("targets,format=json")).targets[0], {
    name: "made",
    description: "has it",
    base: "scratch",
    location: { ranges: [{ start: { line: 4 }, end: { line: 4 } }] },
  });
  const outline = await sandbox.ok(["build", "-q", "--call=outline", "--target=made", context]);
  assert.equal(
    outline.stdout,
    "TARGET:      made\nDESCRIPTION: has it\n\nBUILD ARG   VALUE   DESCRIPTION\nMODE        fast    how it is made\n\n",
  );
  const unknown = await sandbox.run(["build", "--call=target", context]);
  assert.match(unknown.stderr, /did you mean targets\?/);
});

test("check looks at the local store only, and gives advice about stages", async () => {
  const context = sandbox.files("check", {
    Dockerfile:
      "FROM registry.invalid/golang:1\nWORKDIR /src\nCOPY . .\nRUN go mod download && go build -o app $GOFLAGS\n" +
      "ENV PATH=$GOBIN:$PATH\nFROM scratch AS old\nFROM scratch\nCOPY --from=0 /src /app\n",
  });
  const { code, stdout } = await sandbox.run(["check", context]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^Check complete, no warnings found\.\n/);
  for (const rule of ["StageByNumber", "WholeStageCopied", "CopyBeforeInstall", "UnusedStage"])
    assert.match(stdout, new RegExp(`^ - ${rule} \\(.*Dockerfile:\\d+\\): `, "m"));
  assert.match(stdout, /not in the local store.*registry\.invalid\/golang:1/i);
  const skip = ["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=UnusedStage"];
  assert.doesNotMatch((await sandbox.run(["check", ...skip, context])).stdout, /UnusedStage/);
});

test("check reads standard input, and mends nothing there", async () => {
  const input = "FROM scratch as x\n";
  const found = await sandbox.run(["check", "-"], { input });
  assert.equal(found.code, 1, found.stderr);
  assert.match(found.stdout, /WARNING: FromAsCasing/);
  assert.match((await sandbox.run(["check", "--fix", "-"], { input })).stderr, /--fix needs a file/);
});

test("check --fix mends the file that is meant and keeps its mode", async () => {
  const context = sandbox.files("fix", { "real/Dockerfile": careless, a: "" });
  const file = join(context, "real", "Dockerfile");
  chmodSync(file, 0o640);
  symlinkSync("real/Dockerfile", join(context, "Dockerfile"));
  const shown = await sandbox.ok(["check", "--fix", "--dry-run", context]);
  assert.match(shown.stdout, /^-from scratch as Files {3}\n\+FROM scratch AS files {3}$/m);
  assert.equal(readFileSync(file, "utf8"), careless);
  const fixed = await sandbox.run(["check", "--fix", context]);
  assert.equal(fixed.code, 0, fixed.stdout);
  assert.match(fixed.stderr, /^Mended 6 findings:/);
  assert.equal(
    readFileSync(file, "utf8"),
    careless
      .replace("from scratch as Files", "FROM scratch AS files")
      .replace("PORT 3000", "PORT=3000")
      .replace("copy --from=0", "COPY --from=files")
      .replace("/a --now", '["/a", "--now"]'),
  );
  assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(join(context, "real")), ["Dockerfile"]);
  assert.match((await sandbox.ok(["check", "--fix", context])).stderr, /^Nothing to mend/);
});

test("a build says what a mistake costs, and nothing when nothing ran", {
  skip: !isRoot && "RUN needs root",
}, async () => {
  await sandbox.ok(["bootstrap", "busybox"]);
  const context = sandbox.files("costs", {
    Dockerfile:
      "FROM busybox AS build\nWORKDIR /src\nCOPY . .\nRUN head -c 12000000 /dev/zero > objects\n" +
      "FROM busybox\nRUN true\nCOPY --from=0 /src /app\n",
  });
  const first = await sandbox.ok(["build", context]);
  assert.match(
    first.stderr,
    /\nAbout the stages:\n - WholeStageCopied \(line 7\): \/src .* stage build: .* \[12MB\]\n$/,
  );
  assert.doesNotMatch(first.stderr, /StageByNumber/);
  assert.doesNotMatch((await sandbox.ok(["build", context])).stderr, /About the stages/);
  const skip = ["--no-cache", "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=WholeStageCopied"];
  assert.doesNotMatch((await sandbox.ok(["build", ...skip, context])).stderr, /About the stages/);
});
