import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";

/** The checkout, and its command line as users start it. */
export const checkout = join(import.meta.dirname, "..");
export const launcher = join(checkout, "bin", "stagewright.cjs");

export interface Output {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Uint8Array;
}

/** A directory of a test's own, with a store in it. */
export interface Sandbox {
  readonly directory: string;
  readonly store: string;
  /** Writes files below the directory and returns the path of the folder; a value that is not text is its content. */
  files(folder: string, files: Readonly<Record<string, string | Uint8Array>>): string;
  /** Runs the command line to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<Output>;
  /** The same, and it must succeed. */
  ok(args: readonly string[], options?: RunOptions): Promise<Output>;
  start(args: readonly string[], options?: RunOptions): ChildProcess;
}

/**
 * Fast and with every feature that a store wants: tmpfs where there is one. Some disks are slow for many
 * small files after others were deleted.
 */
function fastDirectory(): string {
  try {
    accessSync("/dev/shm", constants.W_OK);
    return "/dev/shm";
  } catch {
    return tmpdir();
  }
}

/** Milliseconds after which a command is taken to hang, and ended: its test then fails and shows what it printed. */
const hangs = 5 * 60_000;

/** Makes a sandbox, and removes it when the test file is done. */
export function createSandbox(name: string): Sandbox {
  const directory = mkdtempSync(join(fastDirectory(), `stagewright-${name}-`));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const store = join(directory, "store");
  const environment = (extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => {
    const { NODE_EXTRA_CA_CERTS: _, STAGEWRIGHT_FROM_SOURCE: __, ...env } = process.env;
    // What the caller's shell wants of docker is not what a test asks for.
    return { ...env, DOCKER_BUILDKIT: "", BUILDKIT_PROGRESS: "auto", STAGEWRIGHT_ROOT: store, ...extra };
  };
  const sandbox: Sandbox = {
    directory,
    store,
    files(folder, files) {
      const base = join(directory, folder);
      mkdirSync(base, { recursive: true });
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(dirname(join(base, path)), { recursive: true });
        writeFileSync(join(base, path), content);
      }
      return base;
    },
    start(args, options = {}) {
      return spawn(process.execPath, [launcher, ...args], {
        cwd: options.cwd ?? directory,
        env: environment(options.env),
        stdio: ["pipe", "pipe", "pipe"],
        timeout: hangs,
        killSignal: "SIGKILL",
      });
    },
    run(args, options = {}) {
      return finished(sandbox.start(args, options), options.input);
    },
    async ok(args, options = {}) {
      const output = await sandbox.run(args, options);
      assert.equal(output.code, 0, `stagewright ${args.join(" ")}\n${output.stdout}\n${output.stderr}`);
      return output;
    },
  };
  return sandbox;
}

/** Waits for the end of a process, feeding it `input`. */
export function finished(child: ChildProcess, input?: string | Uint8Array): Promise<Output> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on("data", (data) => out.push(data));
    child.stderr?.on("data", (data) => err.push(data));
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({ code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}

/** Runs a program of the system to its end; it must succeed. */
export async function tool(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const child = spawn(program, args, { cwd: options.cwd, env: { ...process.env, ...options.env } });
  const output = await finished(child, options.input);
  assert.equal(output.code, 0, `${program} ${args.join(" ")}\n${output.stdout}\n${output.stderr}`);
  return output.stdout;
}

/** Path of a Node that every user may run: the checkout may lie where nobody else may go. */
export function nodeForAll({ directory }: Sandbox): string {
  const node = join(directory, "node");
  if (!existsSync(node)) {
    copyFileSync(process.execPath, node);
    chmodSync(node, 0o755);
  }
  return node;
}

/** Why ordinary users cannot run steps here, for the `skip` of a test; false where they can. */
export function cannotRunAsUser(): string | false {
  if (process.getuid?.() !== 0) return "needs root to become other users";
  const { status } = spawnSync("setpriv", ["--reuid=65534", "--clear-groups", "unshare", "-U", "true"]);
  return status === 0 ? false : "this machine does not let its users make user namespaces";
}

/** Whether RUN steps work here. */
export const isRoot = process.getuid?.() === 0 && existsSync("/proc/self/ns/mnt");
