import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * The newest Docker, BuildKit and Buildah that Debian has, in a root directory of their own: a newer suite than the
 * machine's, installed from the archive that the machine's own apt uses, and cached outside the checkout.
 */

/** Newest first; the next one is taken when a suite cannot be installed from this machine's archive. */
const suites = ["forky", "trixie"];

const packages = [
  "buildah",
  "ca-certificates",
  "crun",
  "docker-buildx",
  "docker-cli",
  "docker-registry",
  "docker.io",
  "git",
  "iproute2",
  "netavark",
  "runc",
  "skopeo",
];

/** Everything else in the root is read-only while it is in use; these are mounted over. */
export const writableDirectories = [
  "/root",
  "/run",
  "/tmp",
  "/var/lib/containers",
  "/var/lib/docker",
  "/var/lib/docker-registry",
  "/var/log",
  "/var/tmp",
];

/** Where the host's work directory appears inside. */
export const workMount = "/work";

/** Raised when the steps below change, so that an older cached root is not taken for a new one. */
const recipe = 2;

export interface Peers {
  /** Absolute path of the root directory. */
  readonly root: string;
  readonly suite: string;
}

/**
 * Returns the root directory with the peers in it, and makes it first when it is not cached: about a minute, 1 GB.
 * Needs root and debootstrap.
 */
export function ensurePeers(): Peers {
  if (process.getuid?.() !== 0) throw new Error("the peers need root: chroot, mounts and namespaces");
  const cache = process.env.STAGEWRIGHT_PEERS ?? "/var/cache/stagewright/peers";
  const key = createHash("sha256")
    .update(JSON.stringify([recipe, packages, writableDirectories]))
    .digest("hex")
    .slice(0, 12);
  const failures: string[] = [];
  for (const suite of suites) {
    const root = join(cache, `${suite}-${key}`);
    if (existsSync(root)) return { root, suite };
    try {
      install(suite, root);
      return { root, suite };
    } catch (error) {
      failures.push(`${suite}: ${(error as Error).message}`);
      note(`peers: ${failures.at(-1)}`);
    }
  }
  throw new Error(`no suite could be installed:\n${failures.join("\n")}`);
}

function install(suite: string, root: string): void {
  const unfinished = join(dirname(root), `.${basename(root)}.${process.pid}`);
  mkdirSync(dirname(root), { recursive: true });
  try {
    note(`peers: installing ${suite} into ${root} (about a minute)`);
    // debootstrap knows suites by script; those it does not know yet are made as sid is.
    const scripts = "/usr/share/debootstrap/scripts";
    const script = existsSync(join(scripts, suite)) ? [] : [join(scripts, "sid")];
    run("debootstrap", ["--variant=minbase", suite, unfinished, archiveOfThisMachine(), ...script]);
    // The Release file of a testing suite goes out of date on mirrors and snapshots that stand still.
    writeFileSync(join(unfinished, "etc/apt/apt.conf.d/90peers"), 'Acquire::Check-Valid-Until "false";\n');
    runInside(unfinished, ["apt-get", "-q", "update"]);
    runInside(unfinished, ["apt-get", "-qy", "install", "--no-install-recommends", ...packages]);
    runInside(unfinished, ["apt-get", "clean"]);
    for (const directory of [...writableDirectories, workMount])
      mkdirSync(join(unfinished, directory), { recursive: true });
    renameSync(unfinished, root);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** Packages' own scripts want /proc; it is mounted for this command only. */
function runInside(root: string, command: readonly string[]): void {
  const script = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"';
  run("unshare", ["--mount", "--propagation", "private", "sh", "-c", script, root, ...command]);
}

/** The archive that this machine takes its own suite from, as apt has it configured. */
function archiveOfThisMachine(): string {
  const codename = /^VERSION_CODENAME=(\S+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const targets = capture("apt-get", ["indextargets", "--format", "$(REPO_URI) $(RELEASE)"]).split("\n");
  const archive = targets.map((line) => line.split(" ")).find(([, release]) => release === codename)?.[0];
  if (archive === undefined)
    throw new Error(`apt on this machine has no archive for ${codename ?? "its own suite"}; is this Debian?`);
  return archive;
}

function run(command: string, args: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
  const result = spawnSync(command, args, { env, encoding: "utf8", maxBuffer: 1 << 28 });
  if (result.error) throw new Error(`${command}: ${result.error.message}`);
  if (result.status === 0) return;
  const tail = `${result.stdout}${result.stderr}`.trimEnd().split("\n").slice(-8).join("\n");
  throw new Error(`${command} ${args[0]} … exited with ${result.status ?? result.signal}\n${tail}`);
}

function capture(command: string, args: readonly string[]): string {
  const result = spawnSync(command, args, { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`${command} failed: ${result.stderr ?? result.error?.message}`);
  return result.stdout;
}

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
