import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { checkout, createSandbox, finished, launcher } from "./sandbox.ts";

const sandbox = createSandbox("completion");
const scriptOf = (shell: string) => join(checkout, "completions", `stagewright.${shell}`);
const environment = () => ({
  PATH: `${join(sandbox.directory, "bin")}:${process.env.PATH}`,
  HOME: sandbox.directory,
  STAGEWRIGHT_ROOT: sandbox.store,
  TERM: "dumb",
  LC_ALL: "C.UTF-8",
});

before(async () => {
  await sandbox.ok(["bootstrap", "busybox"]);
  await sandbox.ok(["tag", "busybox", "localhost:5000/team/app:v1"]);
  sandbox.files("bin", { stagewright: `#!/bin/sh\nexec '${process.execPath}' '${launcher}' "$@"\n` });
  chmodSync(join(sandbox.directory, "bin/stagewright"), 0o755);
  sandbox.files(".", {
    Dockerfile: "FROM busybox AS compile\nFROM compile\nFROM scratch AS production\n",
    "archive one.tar": "",
    "folder/x": "",
    "folder/Other.Dockerfile": "FROM busybox AS elsewhere\n",
  });
});

async function candidates(...words: string[]): Promise<string[]> {
  const { stdout } = await sandbox.ok(["completion", "candidates", "--", ...words]);
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split("\t")[0] ?? "");
}

describe("what fits", () => {
  test("commands, groups, flags, values", async () => {
    assert.deepEqual(await candidates("im"), ["images", "import", "image"]);
    assert.deepEqual(await candidates("image", "h"), ["history"]);
    assert.deepEqual(await candidates("help", "insp"), ["inspect"]);
    assert.deepEqual(await candidates("build", "--no-c"), ["--no-cache", "--no-cache-filter"]);
    assert.deepEqual(await candidates("build", "--no-cache", "--no-c"), ["--no-cache-filter"]);
    assert.deepEqual(await candidates("build", "-t", "a", "--ta"), ["--tag", "--target"]);
    assert.deepEqual(await candidates("build", "--builder", ""), ["default", "legacy"]);
    assert.deepEqual(await candidates("build", "--builder=l"), ["--builder=legacy"]);
    assert.deepEqual(await candidates("build", "--no-cache="), ["--no-cache=true", "--no-cache=false"]);
    assert.deepEqual(await candidates("plan", "--format", "s"), ["svg"]);
    assert.deepEqual(await candidates("completion", ""), ["bash", "zsh", "fish"]);
    assert.deepEqual(await candidates("nosuch", ""), []);
    assert.deepEqual(await candidates("build", "--squa"), []);
  });

  test("images, stages, files", async () => {
    assert.deepEqual(await candidates("run", ""), ["busybox:latest", "localhost:5000/team/app:v1"]);
    assert.deepEqual(await candidates("run", "-it", "busy"), ["busybox:latest"]);
    assert.deepEqual(await candidates("run", "busybox", "x"), [":files"]);
    assert.deepEqual(await candidates("image", "rm", "busybox", "loc"), ["localhost:5000/team/app:v1"]);
    assert.deepEqual(await candidates("build", "--target", ""), ["compile", "1", "production"]);
    assert.deepEqual(await candidates("build", "-ffolder/Other.Dockerfile", "--target=e"), [
      "--target=elsewhere",
    ]);
    assert.deepEqual(await candidates("build", "--target", "", "."), [":directories"]);
    assert.deepEqual(await candidates("build", "."), [":directories"]);
    assert.deepEqual(await candidates("build", ".", ""), []);
    assert.deepEqual(await candidates("build", "-f", "x"), [":files"]);
    assert.deepEqual(await candidates("build", "-f", "nosuch", "--target", ""), []);
    assert.deepEqual(await candidates("run", "--root", join(sandbox.directory, "nosuch"), ""), []);
    assert.ok(!existsSync(join(sandbox.directory, "nosuch")));
    assert.deepEqual(await candidates("run", "--", "b"), ["busybox:latest"]);
  });

  test("containers", async () => {
    const created = ["extract", "web"];
    for (const name of created) await sandbox.ok(["create", "--name", name, "busybox"]);
    const described = await sandbox.ok(["completion", "candidates", "--", "rm", "e"]);
    assert.equal(described.stdout, "extract\tbusybox\n");
    for (const command of ["start", "stop", "kill", "wait", "rm", "logs"]) {
      const found = await candidates(command, "");
      assert.deepEqual(found.filter((word) => created.includes(word)).sort(), created, command);
    }
    assert.deepEqual(await candidates("container", "rm", "-f", "web", ""), ["extract"]);
    assert.deepEqual(await candidates("rm", "--root", join(sandbox.directory, "nosuch"), ""), []);
    assert.ok(!existsSync(join(sandbox.directory, "nosuch")));
  });

  test("a shell that nobody knows is refused", async () => {
    const { code, stderr } = await sandbox.run(["completion", "tcsh"]);
    assert.equal(code, 1);
    assert.match(stderr, /no completion for tcsh\nHint: there is one for bash, zsh, fish/);
  });
});

/** What a user types, with TAB where it stands in the text, and the command line that this gives. */
const typed: readonly (readonly [string, string])[] = [
  ["stagewright doct\t", "stagewright doctor"],
  ["stagewright image hist\t", "stagewright image history"],
  ["stagewright build --prog\tpl\t", "stagewright build --progress plain"],
  ["stagewright build --progress=pl\t", "stagewright build --progress=plain"],
  ["stagewright build --target prod\t", "stagewright build --target production"],
  ["stagewright run busybox:l\t", "stagewright run busybox:latest"],
  ["stagewright run local\t", "stagewright run localhost:5000/team/app:v1"],
  ["stagewright run localhost:5000/te\t", "stagewright run localhost:5000/team/app:v1"],
  ["stagewright load -i arch\t", "stagewright load -i archive one.tar"],
  ["stagewright load --input=arch\t", "stagewright load --input=archive one.tar"],
  ["stagewright build fol\t", "stagewright build folder"],
];

const startLine = "\u0001";
const endLine = "\u0005";

/** A shell in a terminal of its own. */
function openTerminal(command: string): { type(line: string): Promise<string>; process: ChildProcess } {
  const child = spawn("script", ["--quiet", "--flush", "--return", "--command", command, "/dev/null"], {
    cwd: sandbox.directory,
    env: environment(),
    stdio: ["pipe", "pipe", "inherit"],
  });
  let output = "";
  let lines = 0;
  let wake = () => {};
  child.stdout.on("data", (data) => {
    output += data;
    wake();
  });
  child.on("close", () => wake());
  return {
    process: child,
    /** Types a line, has the shell print what has become of it, and returns that. */
    async type(line) {
      lines++;
      child.stdin.write(`${line}${startLine}echo "${lines}<" ${endLine} ">${lines}"\n`);
      // The prompt stands before it when the shell did not come to show what was typed.
      const shown = new RegExp(`^(?:\\$ )?${lines}< (.*) >${lines}\\r?$`, "m");
      const end = Date.now() + 30_000;
      for (;;) {
        const found = shown.exec(output)?.[1];
        // zsh takes the slash behind a directory back when something follows.
        if (found !== undefined) return found.trim().replace(/\/$/, "");
        const left = end - Date.now();
        assert.ok(left > 0 && child.exitCode === null, `${command}: ${JSON.stringify(line)}\n${output}`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
  };
}

for (const [shell, command, setUp] of [
  [
    "bash",
    "bash --norc --noprofile -i",
    `bind 'set bell-style none'; source '${scriptOf("bash")}'; PS1='$ ' `,
  ],
  ["zsh", "zsh -f -i", `autoload -Uz compinit; compinit -u -D; source '${scriptOf("zsh")}'; PS1='$ ' `],
] as const)
  describe(shell, () => {
    const terminal = openTerminal(command);
    after(() => terminal.process.kill("SIGKILL"));

    test("completes what is typed", async () => {
      terminal.process.stdin?.write(`${setUp}\n`);
      const shown: [string, string][] = [];
      for (const [line] of typed) shown.push([line, await terminal.type(line)]);
      assert.deepEqual(shown, typed);
    });
  });

describe("fish", () => {
  test("completes what is typed", async () => {
    for (const [line, expected] of typed) {
      const [text = "", ...more] = line.split("\t");
      if (more.join("") !== "") continue;
      const ask = `source '${scriptOf("fish")}'; complete -C '${text}'`;
      const child = spawn("fish", ["--no-config", "-c", ask], { cwd: sandbox.directory, env: environment() });
      const { stdout, stderr } = await finished(child);
      assert.equal(stderr, "");
      const words = stdout
        .trimEnd()
        .split("\n")
        .map((found) => found.split("\t")[0] ?? "");
      const word = words[0]?.replace(/\/$/, "") ?? "";
      assert.equal(words.length, 1, `${text}\n${stdout}`);
      assert.ok(expected.endsWith(word) && text.length < expected.length, `${text}: ${word}`);
    }
  });
});
