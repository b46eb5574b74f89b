import { spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { BuildError } from "../../core/index.ts";

/** How git is run: in a directory of its own, with nothing of the user's or the machine's configuration. */
export interface GitEnvironment {
  readonly gitDirectory?: string;
  readonly workTree?: string;
  /** Index to use in place of the repository's own. */
  readonly indexFile?: string;
  /** Configuration for this run: handed over in the environment, so that no list of processes shows it. */
  readonly config?: readonly (readonly [key: string, value: string])[];
  /** The command that reaches ssh hosts. */
  readonly ssh?: string;
  readonly sshAgent?: string;
  /** Protocols that may be spoken, by submodules too. */
  readonly protocols?: readonly string[];
  readonly signal: AbortSignal;
  /** Takes what git says on its standard error. */
  readonly log?: ((text: string) => void) | undefined;
}

/** A git command that failed; `stderr` is what it said. */
export class GitFailure extends Error {
  readonly stderr: string;
  constructor(command: string, status: number | string, stderr: string) {
    super(`git ${command} failed (${status}): ${stderr.trim().split("\n").at(-1)}`);
    this.stderr = stderr;
  }
}

/**
 * What every run has. A repository comes with configuration of its own only for submodules, which git checks; this makes
 * sure that nothing in it, or left in a clone, runs a program or reads a file of the host.
 */
const safeConfig: readonly (readonly [string, string])[] = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.attributesFile", "/dev/null"],
  ["core.excludesFile", "/dev/null"],
  ["core.autocrlf", "false"],
  ["core.symlinks", "true"],
  ["credential.helper", ""],
  ["safe.directory", "*"],
  ["init.defaultBranch", "master"],
  ["advice.detachedHead", "false"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["http.lowSpeedLimit", "1"],
  ["http.lowSpeedTime", "60"],
];

/** Of the environment, what says how the network is reached and whom to trust. */
const passedOn = [
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"],
  ...["http_proxy", "https_proxy", "no_proxy", "all_proxy"],
  ...["GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR"],
];

/** No answer of a command that is read here is longer. */
const maxOutput = 64 << 20;

/** Runs git and returns its standard output. It ends with this process, and when the signal aborts. */
export function git(args: readonly string[], how: GitEnvironment): Promise<string> {
  const places = [
    ...(how.gitDirectory === undefined ? [] : [`--git-dir=${how.gitDirectory}`]),
    ...(how.workTree === undefined ? [] : [`--work-tree=${how.workTree}`]),
  ];
  how.signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn("/bin/sh", ["-c", dyingWithUs, "git", ...places, ...args], {
      cwd: how.workTree ?? how.gitDirectory ?? "/",
      env: environment(how),
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      detached: true,
    });
    const alive = child.stdio[3] as Duplex;
    const out: Buffer[] = [];
    let size = 0;
    let stderr = "";
    const kill = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has just ended.
      }
    };
    how.signal.addEventListener("abort", kill, { once: true });
    child.stdout!.on("data", (data: Buffer) => {
      size += data.length;
      if (size > maxOutput) kill();
      else out.push(data);
    });
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-16_384);
      how.log?.(text);
    });
    alive.on("error", () => undefined);
    child.on("exit", () => alive.destroy());
    child.on("error", reject);
    child.on("close", (status, signal) => {
      how.signal.removeEventListener("abort", kill);
      if (how.signal.aborted) reject(how.signal.reason);
      else if (status === 127) reject(withoutGit());
      else if (isFull.test(stderr)) reject(noSpace(args[0]!));
      else if (status !== 0) reject(new GitFailure(args[0]!, status ?? signal ?? "", stderr));
      else resolve(Buffer.concat(out).toString());
    });
  });
}

function environment(how: GitEnvironment): NodeJS.ProcessEnv {
  const config = [...safeConfig, ...(how.config ?? [])];
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    LC_ALL: "C",
    HOME: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: (how.protocols ?? ["http", "https", "git", "ssh"]).join(":"),
    GIT_SSH_COMMAND: how.ssh ?? "false",
    GIT_CONFIG_COUNT: String(config.length),
  };
  config.forEach(([key, value], i) => {
    env[`GIT_CONFIG_KEY_${i}`] = key;
    env[`GIT_CONFIG_VALUE_${i}`] = value;
  });
  if (how.indexFile !== undefined) env.GIT_INDEX_FILE = how.indexFile;
  if (how.sshAgent !== undefined) env.SSH_AUTH_SOCK = how.sshAgent;
  for (const name of passedOn) if (process.env[name] !== undefined) env[name] = process.env[name];
  return env;
}

/**
 * Becomes git, beside a process that waits for the end of descriptor 3 and then kills both and all that git has started: the
 * builder closes it when git has ended, the kernel when the builder was killed.
 */
const dyingWithUs = '(cat <&3; kill -KILL 0) >/dev/null 2>&1 & exec git "$@" 3<&-';

const isFull = /: (No space left on device|Disk quota exceeded)$/m;

/** As a failed system call of our own would say it. */
function noSpace(command: string): Error {
  return Object.assign(new Error(`ENOSPC: no space left on device, git ${command}`), {
    code: "ENOSPC",
    syscall: `git ${command}`,
  });
}

function withoutGit(): BuildError {
  return new BuildError(
    "failed-precondition",
    "git repositories need the program git, which is not on PATH",
    {
      hint: "install git",
    },
  );
}
