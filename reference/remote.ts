import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  createReadStream,
  mkdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { join, normalize } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { contextTime } from "./case.ts";
import { writeTar } from "./tar.ts";

/**
 * A server on loopback for the cases that fetch something: files with fixed times, and a git repository whose commits are
 * always the same. Its address is constant, for digests and histories hold it.
 */
export const remotePort = 18573;

/** Makes what is served: `hello.txt`, `tool.sh`, `archive.tar.gz`, and the repository `app.git`. */
export function makeRemote(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const file = (path: string, content: string | Uint8Array) => {
    writeFileSync(join(directory, path), content);
    utimesSync(join(directory, path), contextTime, contextTime);
  };
  file("hello.txt", "hello\n");
  file("tool.sh", "#!/bin/sh\necho tool\n");
  const entry = { path: "packed/file", type: "file", mode: 0o640, mtime: contextTime } as const;
  file("archive.tar.gz", gzipSync(writeTar([{ ...entry, uid: 5, gid: 6, data: Buffer.from("packed\n") }])));
  makeRepository(directory);
}

function makeRepository(directory: string): void {
  const work = join(directory, "work");
  const git = (...args: string[]) => runGit(work, args);
  mkdirSync(join(work, "docs"), { recursive: true });
  git("init", "-q");
  writeFileSync(join(work, "main.txt"), "one\n");
  writeFileSync(join(work, "docs/page.md"), "page\n");
  writeFileSync(join(work, "run.sh"), "#!/bin/sh\n");
  chmodSync(join(work, "run.sh"), 0o755);
  symlinkSync("docs/page.md", join(work, "link"));
  git("add", ".");
  git("commit", "-qm", "one");
  git("tag", "-a", "v1", "-m", "v1");
  git("tag", "plain");
  writeFileSync(join(work, "main.txt"), "two\n");
  git("commit", "-qam", "two");
  runGit(directory, ["clone", "-q", "--bare", "work", "app.git"]);
  runGit(join(directory, "app.git"), ["update-server-info"]);
}

function runGit(cwd: string, args: readonly string[]): void {
  const date = `${contextTime} +0000`;
  const who = { NAME: "A", EMAIL: "a@example.com", DATE: date };
  const identity = Object.fromEntries(
    Object.entries(who).flatMap(([key, value]) => [
      [`GIT_AUTHOR_${key}`, value],
      [`GIT_COMMITTER_${key}`, value],
    ]),
  );
  const env = {
    PATH: process.env.PATH,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    ...identity,
  };
  const result = spawnSync("git", ["-c", "init.defaultBranch=main", ...args], { cwd, env, encoding: "utf8" });
  if (result.status !== 0) throw new Error(`git ${args[0]}: ${result.stderr || result.error?.message}`);
}

/** Serves the files of a directory, the repository by git's simple protocol; resolves when it listens. */
export async function serveRemote(directory: string): Promise<{ close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const path = join(directory, normalize(decodeURIComponent(request.url!.split("?")[0]!)));
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found?.isFile()) return void response.writeHead(404).end();
    response.writeHead(200, {
      "content-length": found.size,
      ...(path.includes(".git/") ? {} : { "last-modified": found.mtime.toUTCString() }),
    });
    createReadStream(path).pipe(response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(remotePort, "127.0.0.1", resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The same in the network namespace of another process; it ends with this one at the latest. */
export async function serveRemoteIn(pid: number, directory: string): Promise<{ close(): void }> {
  const script = `import(${JSON.stringify(import.meta.url)}).then(async (remote) => {
    await remote.serveRemote(${JSON.stringify(directory)});
    process.stdout.write("listening");
  })`;
  const inside = [
    "nsenter",
    `--net=/proc/${pid}/ns/net`,
    process.execPath,
    "--input-type=module",
    "--eval",
    script,
  ];
  const child: ChildProcess = spawn("setpriv", ["--pdeathsig", "KILL", ...inside], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let isListening = false;
  child.stdout!.once("data", () => {
    isListening = true;
  });
  for (let waited = 0; !isListening; waited += 50) {
    if (child.exitCode !== null || waited > 20_000)
      throw new Error("the server for remote cases does not start");
    await sleep(50);
  }
  return { close: () => void child.kill("SIGKILL") };
}
