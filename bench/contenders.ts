import { execFileSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Engine, startEngine } from "../reference/engine.ts";
import { type Peers, workMount } from "../reference/peers.ts";
import type { Command } from "./measure.ts";

/** Something that builds images, called as its users call it. */
export interface Contender {
  readonly name: string;
  readonly version: string;
  /** Builds the context in `work`/<context> as the image `bench`. */
  build(request: BuildRequest): Command;
  /** Forgets results and contexts of earlier builds; base images may go too. */
  forget(): void;
  /** Puts the base image (a docker archive, `work`/base.tar) into the contender's own store under its name. */
  loadBase(): void;
  /** Processes that work for it beside the command itself. */
  readonly daemons: readonly number[];
}

export interface BuildRequest {
  /** Name of a directory below the work directory. */
  readonly context: string;
  readonly target?: string;
}

/** Name of the base image in every store; whole, for buildah looks up short names nowhere. */
export const baseName = "docker.io/library/bench-base:latest";

const root = join(import.meta.dirname, "..");

/** The checkout's own build, from `dist`; undefined while there is none. */
export function stagewright(work: string): Contender | undefined {
  if (!existsSync(join(root, "dist/cli.cjs"))) return undefined;
  const store = join(work, "stagewright");
  const program = [process.execPath, join(root, "bin/stagewright.cjs")] as const;
  // An extra certificate file costs every start of Node tens of milliseconds; no build here uses a network.
  const { NODE_EXTRA_CA_CERTS: _, ...inherited } = process.env as Record<string, string>;
  const env = { ...inherited, STAGEWRIGHT_ROOT: store };
  const run = (...args: string[]) =>
    execFileSync(program[0], [program[1], ...args], {
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  return {
    name: "stagewright",
    version: `${run("--version").trim()} on Node ${process.versions.node}`,
    build: ({ context, target }) => ({
      argv: [...program, "build", "-q", "-t", "bench", ...targetFlag(target), join(work, context)],
      env,
    }),
    forget: () => rmSync(store, { recursive: true, force: true }),
    loadBase: () => void run("load", "-i", join(work, "base.tar")),
    daemons: [],
  };
}

/** Docker's engine, kept warm, with the BuildKit inside it. */
export async function docker(peers: Peers, work: string): Promise<Contender & { engine: Engine }> {
  const engine = await startEngine(peers.root, work, { containerdStore: false });
  const env = { ...peerEnvironment, DOCKER_HOST: `unix://${workMount}/engine/docker.sock` };
  const run = inside(peers, env);
  return {
    name: "docker build",
    version: `${packageVersion(peers, "docker.io")}, buildx ${packageVersion(peers, "docker-buildx")}`,
    build: ({ context, target }) => ({
      argv: [
        ...["chroot", peers.root, "docker", "build", "-q", "--network=host", "-t", "bench"],
        ...targetFlag(target),
        `${workMount}/${context}`,
      ],
      env,
    }),
    forget: () => {
      run(["docker", "image", "rm", "--force", "bench"]);
      run(["docker", "builder", "prune", "--all", "--force"]);
    },
    loadBase: () => run(["docker", "load", "--input", `${workMount}/base.tar`]),
    daemons: [engine.pid],
    engine,
  };
}

/** Buildah, with the layer cache that the others have too. */
export function buildah(peers: Peers): Contender {
  const run = inside(peers, peerEnvironment);
  // runc, for crun refuses hosts with both cgroup versions; low limits, for higher ones need CAP_SYS_RESOURCE.
  const flags = "--layers --jobs=8 --pull=never --isolation=oci --runtime=runc --network=host";
  const limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"];
  return {
    name: "buildah build",
    version: packageVersion(peers, "buildah"),
    build: ({ context, target }) => ({
      argv: [
        ...["chroot", peers.root, "buildah", "build", "-q", ...flags.split(" "), ...limits, "-t", "bench"],
        ...targetFlag(target),
        `${workMount}/${context}`,
      ],
      env: peerEnvironment,
    }),
    forget: () => run(["buildah", "rmi", "--all", "--force"]),
    loadBase: () => run(["buildah", "pull", "-q", `docker-archive:${workMount}/base.tar`]),
    daemons: [],
  };
}

const peerEnvironment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
};

function targetFlag(target: string | undefined): string[] {
  return target === undefined ? [] : ["--target", target];
}

function inside(peers: Peers, env: Readonly<Record<string, string>>): (argv: readonly string[]) => void {
  return (argv) =>
    execFileSync("chroot", [peers.root, ...argv], { env, stdio: ["ignore", "ignore", "pipe"] });
}

function packageVersion(peers: Peers, name: string): string {
  const line = execFileSync("chroot", [peers.root, "dpkg-query", "--show", name], { encoding: "utf8" });
  return line.trim().split("\t")[1] ?? "unknown";
}
