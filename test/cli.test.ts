import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { createSandbox, finished, isRoot, launcher, type Output, tool } from "./sandbox.ts";

const sandbox = createSandbox("cli");
const at = (name: string) => join(sandbox.directory, name);

async function fails(args: readonly string[], code: number, ...patterns: readonly RegExp[]): Promise<Output> {
  const output = await sandbox.run(args);
  const what = `stagewright ${args.join(" ")}\n${output.stdout}\n${output.stderr}`;
  assert.equal(output.code, code, what);
  for (const pattern of patterns) assert.match(output.stderr, pattern, what);
  assert.doesNotMatch(output.stderr, /\n {4}at /, "a stack trace");
  return output;
}

/** A shell command line in which `stagewright` is ours. */
function shell(line: string): Promise<Output> {
  const script = `stagewright() { "${process.execPath}" "${launcher}" "$@"; }\n${line}`;
  const env = { ...process.env, STAGEWRIGHT_ROOT: sandbox.store };
  return finished(spawn("bash", ["-c", script], { cwd: sandbox.directory, env }));
}

before(async () => {
  await sandbox.ok(["bootstrap", "busybox"]);
  sandbox.files("app", {
    "a.txt": "a\n",
    Dockerfile: `FROM busybox AS assets
WORKDIR /assets
FROM assets AS unused
COPY a.txt /unused
FROM scratch
COPY --from=assets /bin/busybox /bin/
COPY a.txt /
CMD ["/bin/busybox", "cat", "/a.txt"]
`,
  });
});

describe("build", () => {
  test("names, id file and metadata agree with what is in the store", async () => {
    const files = ["--iidfile", at("id"), "--metadata-file", at("metadata.json")];
    const built = await sandbox.ok(["build", "-t", "app:1", "-t", "app:2", "-q", ...files, at("app")]);
    const id = built.stdout.trim();
    assert.match(id, /^sha256:[0-9a-f]{64}$/);
    assert.equal(built.stderr, "");
    assert.equal(readFileSync(at("id"), "utf8"), id);
    const metadata = JSON.parse(readFileSync(at("metadata.json"), "utf8"));
    assert.equal(metadata["containerimage.config.digest"], id);
    assert.equal(metadata["image.name"], "docker.io/library/app:1,docker.io/library/app:2");
    const images = await sandbox.ok(["images", "--no-trunc", "-q", "app"]);
    assert.equal(images.stdout, `${id}\n`);
    assert.ok(!readdirSync(sandbox.directory).some((name) => name.endsWith(".tmp")));
  });

  test("the table tells sizes, what was skipped and why", async () => {
    const { stderr } = await sandbox.ok(["build", "-t", "app", at("app")]);
    assert.match(stderr, /^ {2}assets {3}busybox +\S+MB$/m);
    assert.match(stderr, /^ {2}unused {3}assets +- {2}skipped: not needed by target stage-2$/m);
    assert.match(stderr, /^ {2}stage-2 {2}scratch +\S+MB {2}the image$/m);
    assert.match(stderr, /^Image app:latest: \S+MB in 2 layers; left behind: \S+MB$/m);
    const files = await sandbox.ok(["build", "-o", at("out"), at("app")]);
    assert.match(files.stderr, /^Root filesystem in .*\/out: /m);
  });

  test("an archive on standard output comes without the progress, and never goes to a terminal", async () => {
    const piped = await shell("stagewright build -q -o - app | tar t");
    assert.match(piped.stdout, /^\.?\/?a\.txt$/m);
    assert.equal(piped.stderr, "");
    const command = `"${process.execPath}" "${launcher}" build -o - app`;
    const env = { STAGEWRIGHT_ROOT: sandbox.store };
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      cwd: sandbox.directory,
      env: { ...process.env, ...env },
    });
    const shown = await finished(child);
    assert.equal(shown.code, 1);
    assert.match(shown.stdout, /standard output is a terminal/);
    await fails(["build", "-o", "-", "-o", "type=oci,dest=-", at("app")], 1, /only one output/);
  });

  test("progress of every kind goes to standard error", async () => {
    const raw = await sandbox.ok(["build", "--progress", "rawjson", at("app")]);
    assert.equal(raw.stdout, "");
    const events = raw.stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.ok(events.some((event) => event.vertexes?.[0].cached === true));
    const plain = /^#\d+ \[assets 1\/2\] FROM .*\n#\d+ CACHED$/m;
    assert.match((await sandbox.ok(["build", at("app")])).stderr, plain);
    const env = { BUILDKIT_PROGRESS: "rawjson" };
    assert.match((await sandbox.ok(["build", at("app")], { env })).stderr, /^\{"vertexes":/);
    assert.match((await sandbox.ok(["build", "--progress", "plain", at("app")], { env })).stderr, plain);
    const tty = await sandbox.ok(["build", "--progress", "tty", at("app")]);
    assert.match(tty.stderr, /\[\+\] Building \d+\.\ds \(\d+\/\d+\) FINISHED/);
    assert.ok(tty.stderr.lastIndexOf("\u001b[?25h") > tty.stderr.lastIndexOf("\u001b[?25l"));
    const quiet = await sandbox.ok(["build", "--progress", "quiet", at("app")]);
    assert.match(quiet.stdout, /^sha256:[0-9a-f]{64}\n$/);
    const none = await sandbox.ok(["build", "--progress", "none", at("app")]);
    assert.deepEqual([quiet.stderr, none.stdout, none.stderr], ["", "", ""]);
    await fails(["build", "--progress", "loud", at("app")], 1, /invalid progress mode "loud"/);
  });

  test("a terminal has colours, but none with NO_COLOR", async () => {
    const command = `'${process.execPath}' '${launcher}' build '${at("app")}'`;
    const inTerminal = async (env: NodeJS.ProcessEnv): Promise<string> => {
      const { NO_COLOR: _, ...others } = process.env;
      const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
        env: {
          ...others,
          DOCKER_BUILDKIT: "",
          BUILDKIT_PROGRESS: "auto",
          STAGEWRIGHT_ROOT: sandbox.store,
          ...env,
        },
      });
      const { code, stdout } = await finished(child);
      assert.equal(code, 0, stdout);
      assert.match(stdout, /\u001b\[J\[\+\] Building/);
      return stdout;
    };
    const colour = /\u001b\[\d+m/;
    assert.match(await inTerminal({}), colour);
    assert.match(await inTerminal({ NO_COLOR: "" }), colour);
    assert.doesNotMatch(await inTerminal({ NO_COLOR: "1" }), colour);
  });

  test("flags that ask for what is not done are refused by name", async () => {
    for (const flag of ["--sbom", "--provenance=max", "--squash", "--attest=type=sbom", "--memory=1g"])
      await fails(["build", flag, at("app")], 1, new RegExp(`${flag.split("=")[0]} is not supported: `));
    await sandbox.ok(["build", "--provenance=false", "--sbom=false", "--rm", "--load", at("app")]);
    await fails(
      ["build", "--taget", "x", "."],
      125,
      /unknown flag: --taget\nHint: did you mean --target/,
      /^Usage: /m,
    );
    await fails(["build"], 1, /requires exactly 1 argument\nHint: \. is the current directory/, /^Usage: /m);
    await fails(["build", "-o", "type=registry", at("app")], 1, /tag is needed when pushing to registry/);
  });

  test("a missing source tells where it is", async () => {
    sandbox.files("missing", {
      "main.go": "",
      "secret.key": "",
      "assets/logo.svg": "",
      "assets/secret.key": "",
      ".dockerignore": "# no keys\n*.key\n",
    });
    const cases: readonly (readonly [string, RegExp])[] = [
      ["COPY mian.go /", /Hint: did you mean main\.go\?/],
      ["COPY secret.key /", /Hint: it is excluded by line 2 of \.dockerignore/],
      ["COPY assets/made /", /Hint: \/assets\/made is in stage build: copy it with --from=build/],
      ["COPY --from=build /main.go /", /Hint: main\.go is in the build context/],
      ["COPY asets/logo.svg /", /Hint: did you mean assets\/logo\.svg\?/],
      ["COPY assets/secret.kex /", /Hint: did you mean assets\/secret\.key\?/],
      ["COPY ../main.c /", /Hint: \.\.\/main\.c cannot lead out of the context, and means \/main\.c in it/],
      ["COPY secert.key /", /Hint: there is no secert\.key; did you mean secret\.key\? Beware .* line 2 of/],
      [
        "COPY --from=build /out/never /",
        /Hint: line 7 in stage later names out\/never: is --from=later what/,
      ],
    ];
    for (const [line, hint] of cases) {
      const dockerfile = `FROM busybox AS build\nCOPY main.go /assets/made\nFROM scratch\nCOPY --from=build /assets /\n${line}\nFROM busybox AS later\nRUN touch /out/never\n`;
      writeFileSync(at("missing/Dockerfile"), dockerfile);
      await fails(["build", "--target=1", at("missing")], 1, hint, /^Dockerfile:5$/m, /^ {3}5 \| >>> COPY/m);
    }
  });

  test("a base that is nowhere, and a store that cannot be", async () => {
    sandbox.files("nowhere", { Dockerfile: "FROM localhost:1/buzybox\n" });
    await fails(
      ["build", at("nowhere")],
      1,
      /^ERROR: localhost:1\/buzybox:latest is not in the local store, and registry localhost:1 cannot be reached/m,
      /stagewright bootstrap/,
    );
    sandbox.files("far", { Dockerfile: "FROM localhost:1/team/nothing-like-it\n" });
    assert.doesNotMatch((await sandbox.run(["build", at("far")])).stderr, /did you mean/);
    writeFileSync(at("file"), "");
    await fails(["build", "--root", at("file"), at("app")], 1, /file is not a directory/);
    await fails(["images", "--root", at("file/below")], 1, /ERROR: /);
    await fails(["build", at("app/Dockerfile")], 1, /is not a directory[\s\S]*name the Dockerfile with -f/);
    await fails(["build", at("out-of-here")], 1, /not found/);
    await fails(
      ["build", at("missing"), "-f", at("none")],
      1,
      /no such file or directory\nHint: there is no .*none/,
    );
    await fails(
      ["build", at("app"), "-f", "Dockerfile"],
      1,
      /starts from the working directory.*-f .*app\/Dockerfile\?/,
    );
    sandbox.files("misnamed", { Dockerfiel: "FROM scratch\n", "main.go": "" });
    await fails(
      ["build", at("misnamed")],
      1,
      /there is no Dockerfile in .*; did you mean -f \S*\/Dockerfiel\?/,
    );
    await fails(["build", "-t", "App", at("app")], 1, /^ERROR: invalid tag "App": .* must be lowercase/m);
    await fails(
      ["build", "--platform=amd46", at("app")],
      1,
      /"amd46": unknown operating system or architecture/,
    );
    await fails(
      ["build", at("app"), "--iidfile", "/nonexistent/id"],
      1,
      /cannot write \/nonexistent\/id: no such/,
    );
  });
});

describe("RUN and run", { skip: isRoot ? false : "needs root" }, () => {
  test("a failed step shows its output, its place and where the whole log is", async () => {
    sandbox.files("fail", {
      Dockerfile: "FROM busybox\nENV A=b\nRUN echo one; \\\n  echo two >&2; exit 7\n",
    });
    const { stderr } = await fails(
      ["build", at("fail")],
      1,
      /^ > \[2\/2\] RUN echo one;[^\n]*:\none\ntwo\n------\nDockerfile:3$/m,
      /^ {3}3 \| >>> RUN echo one; \\\n {3}4 \| >>> {3}echo two/m,
      /^ERROR: process .* did not complete successfully: exit code: 7$/m,
    );
    const log = /^Full log: (.*)$/m.exec(stderr)?.[1] ?? "";
    assert.match(readFileSync(log, "utf8"), /one\ntwo\n/);
  });

  test("a step that failed for what the machine lacks, or for a JSON array that is none, says so", async () => {
    sandbox.files("lacks", { Dockerfile: "FROM busybox\nRUN ['echo', 'x']\n" });
    await fails(["build", at("lacks")], 1, /^Hint: a shell got what looks like a JSON array and is none/m);
    sandbox.files("lacks", { Dockerfile: "FROM busybox\nCOPY ['a', '/b']\n" });
    await fails(
      ["build", at("lacks")],
      1,
      /class without \]; if a JSON array was meant, it takes double quotes/,
    );
    const cases = {
      "dd: error writing '/big': No space left on device": /^Hint: the disk of the store is full/m,
      "curl: (6) Could not resolve host: example.com": /^Hint: the step could not look a name up/m,
    };
    for (const [said, hint] of Object.entries(cases)) {
      sandbox.files("lacks", { Dockerfile: `FROM busybox\nRUN echo "${said}" >&2; exit 1\n` });
      await fails(["build", at("lacks")], 1, hint);
    }
  });

  test("exit codes are docker's", async () => {
    const cases: readonly (readonly [string[], number])[] = [
      [["busybox", "true"], 0],
      [["busybox", "false"], 1],
      [["busybox", "sh", "-c", "exit 42"], 42],
      [["busybox", "sh", "-c", "sleep 9 & kill -9 $!; wait $!"], 137],
      [["busybox", "nosuch"], 127],
      [["busybox", "/etc"], 126],
      [["-u", "nosuch", "busybox", "id"], 125],
      [["localhost:1/nosuch"], 125],
      [["--nosuch", "busybox"], 125],
      [["-d", "busybox", "true"], 0],
      [["-t", "busybox", "true"], 0],
      [[], 1],
    ];
    for (const [args, code] of cases) {
      const output = await sandbox.run(["run", ...args]);
      assert.equal(output.code, code, `run ${args.join(" ")}\n${output.stderr}`);
      assert.doesNotMatch(output.stderr, /\n {4}at /);
    }
  });

  test("environment, directory, user, volumes, input, entrypoint, terminal", async () => {
    const out = async (args: readonly string[], input?: string) =>
      (await sandbox.ok(["run", "--rm", ...args], input === undefined ? {} : { input })).stdout;
    assert.equal(
      await out(["-e", "A=b c", "-w", "/made/here", "busybox", "sh", "-c", "echo $A; pwd"]),
      "b c\n/made/here\n",
    );
    assert.match(await out(["-u", "5:6", "busybox", "id"]), /^uid=5 gid=6/);
    assert.equal(await out(["-v", `${at("app")}:/x:ro`, "busybox", "cat", "/x/a.txt"]), "a\n");
    assert.equal(await out(["-i", "busybox", "cat"], "in\n"), "in\n");
    assert.equal(await out(["busybox", "cat"], "in\n"), "");
    assert.equal(await out(["--entrypoint", "echo", "busybox", "hi"]), "hi\n");
    const pty = await tool("script", [
      "-qec",
      `"${process.execPath}" "${launcher}" run -it --root "${sandbox.store}" busybox sh -c "tty; exit 0"`,
      "/dev/null",
    ]);
    assert.match(pty, /\/dev\/pts\/\d+/);
  });
});

describe("images and everything else", () => {
  test("tag, images, rmi", async () => {
    await sandbox.ok(["tag", "busybox", "base:1"]);
    const list = await sandbox.ok(["images", "base"]);
    assert.match(
      list.stdout,
      /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\nbase +1 +[0-9a-f]{12} +.* ago +\S+MB\n$/,
    );
    const id = /[0-9a-f]{12}/.exec(list.stdout)?.[0] ?? "";
    await fails(["rmi", id], 1, /has several names/);
    assert.match((await sandbox.ok(["rmi", "base:1"])).stdout, /^Untagged: base:1\n$/);
    await fails(["rmi", "nosuch"], 1, /no image "nosuch"/);
    await sandbox.ok(["rmi", "-f", "nosuch"]);
    const some = await fails(["inspect", "nosuch", "busybox"], 1, /^ERROR: No such object: nosuch\n/);
    assert.equal(JSON.parse(some.stdout).length, 1, "what is there is shown");
  });

  test("prune asks, and does not where nobody can answer", async () => {
    await fails(["prune"], 1, /confirm with --force/);
    assert.match(
      (await sandbox.ok(["prune", "--dry-run", "-a"])).stdout,
      /would be removed\nReclaimable space: /,
    );
  });

  test("a reader that goes away ends it as SIGPIPE does, without a word", async () => {
    const output = await shell("set -o pipefail; stagewright inspect busybox busybox | true; echo $?");
    assert.match(output.stdout, /^(141|0)\n$/);
    assert.equal(output.stderr, "");
  });

  test("unknown commands, groups, help and version", async () => {
    await fails(
      ["biuld", "."],
      1,
      /biuld is not a stagewright command\nHint: did you mean 'stagewright build'\?/,
    );
    const group = (await sandbox.ok(["image"])).stdout;
    assert.match(group, /^Usage: stagewright image COMMAND\n[\s\S]*\n {2}ls {2,}Lists the images/);
    assert.equal((await sandbox.ok(["image", "--help"])).stdout, group);
    assert.equal((await sandbox.ok(["help", "image"])).stdout, group);
    assert.match(
      (await sandbox.ok(["image", "ls", "--help"])).stdout,
      /^Usage: stagewright image ls \[OPTIONS\]/,
    );
    await fails(["image", "lss"], 1, /did you mean 'stagewright image ls'/);
    await fails(["buildx", "zzz"], 1, /not a stagewright command\nHint: see 'stagewright buildx --help'/);
    await fails(
      ["--zzz", "build", "."],
      1,
      /^ERROR: unknown flag: --zzz\nHint: flags come behind the command/,
    );
    assert.match((await sandbox.ok(["--version"])).stdout, /^stagewright \d+\.\d+\.\d+\n$/);
    const overview = (await sandbox.ok([])).stdout;
    const [listed = ""] = overview.split("\nGroups");
    const names = [...listed.matchAll(/^ {2}(\w+) {2,}\S/gm)].map(([, name = ""]) => name);
    assert.ok(names.length >= 17, overview);
    for (const name of names) {
      const help = (await sandbox.ok([name, "--help"])).stdout;
      assert.match(help, /^Usage: stagewright .*\n[\s\S]*\nExamples:\n {2}\$ stagewright /m, name);
      assert.equal((await sandbox.ok(["help", name])).stdout, help);
      if (name !== "run" && name !== "create") assert.equal((await sandbox.ok([name, "-h"])).stdout, help);
    }
  });

  test("what docker has and we have not is answered with what to use instead", async () => {
    const advice: readonly (readonly [string, RegExp])[] = [
      ["exec -it web sh", /^ERROR: exec is not .*\nHint: a running container cannot be entered/],
      ["container exec web ls", /Hint: a running container cannot be entered/],
      ["buildx create --use", /Hint: there are no builder instances/],
      ["compose up", /Hint: there is no compose/],
      ["info", /Hint: 'stagewright doctor'/],
      ["system info", /Hint: 'stagewright doctor'/],
      ["export web", /Hint: 'stagewright cp CONTAINER:\/ -/],
      ["volume create x", /Hint: volumes with a name are not supported/],
      ["--context remote build .", /^ERROR: unknown flag: --context\nHint: there is no daemon to choose/],
      ["--root /x images", /Hint: it comes behind the command/],
    ];
    for (const [line, pattern] of advice) await fails(line.split(" "), 1, pattern);
  });

  test("missing files are named", async () => {
    await fails(["load", "-i", at("nosuch.tar")], 1, /nosuch\.tar: no such file/);
    await fails(["import", at("nosuch.tar")], 1, /nosuch\.tar: no such file/);
    await fails(["import", at("app")], 1, /app is a directory/);
    await fails(
      ["save", "busybox", "-o", "/nonexistent/x.tar"],
      1,
      /cannot write \/nonexistent\/x\.tar: no such/,
    );
    assert.ok(!existsSync("/nonexistent"));
  });

  test("fsck finds nothing", async () => {
    assert.equal((await sandbox.ok(["fsck"])).stdout, "Nothing is wrong.\n");
  });
});
