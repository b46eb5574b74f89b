import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkout, finished, launcher, type Output, type RunOptions } from "./sandbox.ts";

/** A user of the machine who exists only for what a test starts: private mounts cover the machine's user files. */
export interface OrdinaryUser {
  readonly home: string;
  readonly store: string;
  readonly uid: number;
  /** The words that start the command line. */
  readonly command: readonly string[];
  /** Runs the command line as this user. `wrapper` are words that a shell runs before, still as root. */
  stagewright(args: readonly string[], options?: UserRunOptions): Promise<Output>;
  /** The same, and it must succeed. */
  ok(args: readonly string[], options?: UserRunOptions): Promise<Output>;
  /** Runs any program as this user. */
  run(command: readonly string[], options?: UserRunOptions): Promise<Output>;
  start(args: readonly string[], options?: UserRunOptions): ReturnType<typeof spawn>;
}

export interface UserRunOptions extends RunOptions {
  /** Shell commands that root runs first, in the private mount namespace. */
  readonly before?: string;
  /** Words before all of it, such as `nsenter` and its arguments. */
  readonly within?: readonly string[];
}

export interface UserOptions {
  /** A directory that everybody may enter. */
  readonly directory: string;
  readonly name: string;
  readonly uid: number;
  /** First of 65536 subordinate ids; none without it. */
  readonly subordinate?: number;
}

/** What udev does, where there is no udev. */
const tunForAll =
  "mkdir -p /dev/net && mount -t tmpfs tun /dev/net && mknod /dev/net/tun c 10 200 && chmod 666 /dev/net/tun";
const hangs = 2 * 60_000;

export function createUser({ directory, name, uid, subordinate }: UserOptions): OrdinaryUser {
  const base = join(directory, name);
  const home = join(base, "home");
  const store = join(home, "store");
  mkdirSync(home, { recursive: true });
  mkdirSync(join(base, "checkout"));
  chmodSync(base, 0o755);
  chownSync(home, uid, uid);
  chmodSync(home, 0o700);
  const lent = subordinate === undefined ? "" : `${name}:${subordinate}:65536\n`;
  writeFileSync(
    join(base, "passwd"),
    `${readFileSync("/etc/passwd", "utf8")}${name}:x:${uid}:${uid}::${home}:/bin/sh\n`,
  );
  writeFileSync(join(base, "group"), `${readFileSync("/etc/group", "utf8")}${name}:x:${uid}:\n`);
  for (const file of ["subuid", "subgid"]) writeFileSync(join(base, file), lent);

  // The checkout may lie where nobody else may go.
  const seen = (path: string): string =>
    path.startsWith(`${checkout}/`) ? join(base, "checkout", path.slice(checkout.length)) : path;
  const setup = ["passwd", "group", "subuid", "subgid"]
    .map((file) => `mount --bind '${base}/${file}' /etc/${file}`)
    .concat(`mount --bind '${checkout}' '${base}/checkout'`, tunForAll)
    .join(" && ");
  const start = (command: readonly string[], options: UserRunOptions = {}) => {
    const { NODE_EXTRA_CA_CERTS: _, STAGEWRIGHT_FROM_SOURCE: __, ...env } = process.env;
    const identity = ["--reuid", String(uid), "--regid", String(uid), "--clear-groups"];
    const script = `${setup} && ${options.before ?? "true"} && cd '${options.cwd ?? home}' && exec setpriv ${identity.join(" ")} "$@"`;
    const covered = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", ...command];
    const [program = "", ...words] = [...(options.within ?? []), ...covered];
    return spawn(program, words, {
      env: { ...env, HOME: home, STAGEWRIGHT_ROOT: store, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: hangs,
      killSignal: "SIGKILL",
    });
  };
  const command = [seen(process.execPath), seen(launcher)];
  const cli = (args: readonly string[]): string[] => [...command, ...args];
  return {
    home,
    store,
    uid,
    command,
    start: (args, options) => start(cli(args), options),
    run: (command, options) => finished(start(command, options), options?.input),
    stagewright: (args, options) => finished(start(cli(args), options), options?.input),
    async ok(args, options) {
      const output = await finished(start(cli(args), options), options?.input);
      assert.equal(output.code, 0, `stagewright ${args.join(" ")}\n${output.stdout}\n${output.stderr}`);
      return output;
    },
  };
}
