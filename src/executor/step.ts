import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { BuildError } from "../core/index.ts";
import { cgroupParentOf } from "./cgroup-parent.ts";
import type { CgroupMode } from "./host.ts";
import { createMountPoints, createWorkingDirectory, systemMountPoints } from "./mount-points.ts";
import { overlayOptions, prepareMount, topmostFirst } from "./mounts.ts";
import {
  addressOf,
  detectNetworkTool,
  type NetworkTool,
  namespaceFile,
  networkScript,
  type PublishedPort,
  resolverOf,
  slirpSocket,
} from "./network.ts";
import { defaultHostname, hostsFile, resolvConf, withNameserver } from "./network-files.ts";
import { ociConfig } from "./oci-config.ts";
import { makeDirectory, writePlainFile } from "./plain-files.ts";
import { deliverPrivately, type PrivateFile, privateDirectory } from "./private-files.ts";
import { rlimits } from "./rlimits.ts";
import { type OpaqueTest, readInLowers } from "./rootfs-lookup.ts";
import type { Runtime, Tools } from "./runtime.ts";
import type { SeccompSetting } from "./seccomp-cache.ts";
import { type OverlayMount, startScript } from "./start-script.ts";
import { containerId, removeStep, type StateDir, stepsCgroup } from "./state-dir.ts";
import type { Mount, ProcessIO, ProcessSpec, RootMount } from "./types.ts";
import { resolveUser } from "./users.ts";

/** What all steps of an executor share. */
export interface Host {
  readonly runtime: Runtime;
  readonly tools: Tools;
  readonly state: StateDir;
  readonly cgroups: CgroupMode;
  readonly seccomp: ((step: { stepDir: string; runtimeState: string }) => SeccompSetting) | undefined;
  readonly isOpaque: OpaqueTest;
}

/** A step that is ready to be started, but for its configuration. */
export interface PreparedStep {
  /** Name of its directory in the state directory. */
  readonly name: string;
  /** What its start script reads from the control channel. */
  readonly payload: Uint8Array;
  /** Ports to be published through a slirp4netns that runs by then. */
  readonly slirp?: { readonly socket: string; readonly ports: readonly PublishedPort[] };
  /** What the runtime itself reported. */
  runtimeLog(): string;
  /** After the last process is gone and `runtimeLog` was read. */
  finish(): void;
}

const noBytes = new Uint8Array();

/** The kernel's limit on lower layers, one of which holds the mount points. */
const largestStack = 500;

/** Lays out a step's directory: overlay directories and links, network files, the bundle and the script that starts it. */
export function prepareStep(
  host: Host,
  root: RootMount,
  process: ProcessSpec,
  mounts: readonly Mount[],
  io: ProcessIO,
): PreparedStep {
  const { step, inside, upper, topFirst, mount: rootMount } = layOutRoot(host, root);

  const id = containerId(host.state.id, step.name);
  const secret = process.secretEnv?.length || mounts.some(({ type }) => type === "secret");
  // Everything that the runtime reads and keeps holds the environment, so all of it is where the secrets are.
  const bundle = secret ? makeDirectory(inside(privateDirectory)) : step.path;
  const runtimeRoot = join(secret ? bundle : host.state.path, "runtime");
  const log = inside("runtime.log");
  const { link } = host.state;
  const extra = mounts.map((mount, index) => prepareMount(mount, index, topFirst, step, link, host.isOpaque));
  const insecure = process.insecure === true;
  const setting = insecure
    ? undefined
    : host.seccomp?.({ stepDir: step.path, runtimeState: join(runtimeRoot, id) });

  const { isOpaque } = host;
  const all = [upper, ...topFirst];
  const user = resolveUser(process.user, {
    passwd: readInLowers(all, "/etc/passwd", isOpaque),
    group: readInLowers(all, "/etc/group", isOpaque),
  });
  const parent = cgroupParentOf(process.cgroupParent, host);
  const ownCgroup = parent !== stepsCgroup || usesCgroups(host.runtime, host.cgroups);
  const cwd = process.cwd || "/";
  createWorkingDirectory(upper, topFirst, cwd, user, isOpaque);
  createMountPoints(
    inside("p"),
    topFirst,
    [...systemMountPoints, ...extra.map((mount) => mount.point)],
    isOpaque,
  );
  const hostname = process.hostname || defaultHostname;
  const isolated = process.network === "isolated" ? detectNetworkTool() : undefined;
  const address = isolated === undefined ? undefined : addressOf(isolated);
  writePlainFile(inside("hosts"), hostsFile(hostname, process.extraHosts, address));
  writePlainFile(inside("resolv.conf"), resolverFile(process.network, isolated));
  const config = ociConfig({
    rootfs: inside("m"),
    args: process.args,
    env: [...process.env, ...(process.secretEnv ?? [])],
    cwd,
    user,
    hostname,
    terminal: io.terminal,
    insecure,
    network: isolated ? { path: inside(namespaceFile) } : process.network === "none" ? "none" : "host",
    mounts: extra.map((mount) => mount.oci),
    rlimits: rlimits(process.ulimits, io.onWarning ?? (() => {})),
    hostsFile: inside("hosts"),
    resolvConfFile: inside("resolv.conf"),
    seccomp: setting?.seccomp,
    annotations: setting?.annotations ?? {},
    ...(setting?.hooks === undefined ? {} : { hooks: setting.hooks }),
    cgroups: host.cgroups,
    cgroupsPath: ownCgroup ? `${parent}/${id}` : undefined,
  });
  const delivery = secret
    ? deliverPrivately(`${step.name}/${privateDirectory}`, [
        configFile(config),
        ...extra.flatMap(({ privateFile }) => privateFile ?? []),
      ])
    : undefined;
  if (delivery === undefined) writeFileSync(inside("config.json"), JSON.stringify(config), { mode: 0o600 });

  const start = startScript({
    mounts: [rootMount, ...extra.flatMap((mount) => mount.overlay ?? [])],
    before: [
      ...(delivery?.script ?? []),
      ...(isolated ? networkScript(isolated, step.name, process.ports ?? []) : []),
    ],
    command: runtimeCommand(host, { root: runtimeRoot, log, bundle, id, ownCgroup }),
    hideUnifiedCgroup: host.cgroups === "hybrid" && host.runtime.kind === "crun",
  });
  writeFileSync(inside("start.sh"), start, { mode: 0o600 });
  const slirp = isolated?.kind === "slirp4netns" && {
    socket: inside(slirpSocket),
    ports: process.ports ?? [],
  };
  return {
    name: step.name,
    payload: delivery?.payload ?? noBytes,
    ...(slirp ? { slirp } : {}),
    runtimeLog: () => readIfPresent(log),
    finish() {
      setting?.finish();
      setImmediate(removeStep, step.path);
    },
  };
}

function configFile(config: Record<string, unknown>): PrivateFile {
  return { name: "config.json", content: Buffer.from(JSON.stringify(config)), uid: 0, gid: 0, mode: 0o600 };
}

/** Lays out a root filesystem for a program of the machine: it is only mounted, and nothing in it is made. */
export function prepareBeside(
  host: Host,
  root: RootMount,
  command: (rootfs: string) => readonly string[],
): PreparedStep {
  const { step, inside, mount } = layOutRoot(host, root);
  const start = startScript({ mounts: [mount], command: command(inside("m")), hideUnifiedCgroup: false });
  writeFileSync(inside("start.sh"), start, { mode: 0o600 });
  return {
    name: step.name,
    payload: noBytes,
    runtimeLog: () => "",
    finish: () => setImmediate(removeStep, step.path),
  };
}

interface LaidOutRoot {
  readonly step: { readonly name: string; readonly path: string };
  inside(name: string): string;
  readonly upper: string;
  /** The lower layers, topmost first. */
  readonly topFirst: readonly string[];
  readonly mount: OverlayMount;
}

function layOutRoot(host: Host, root: RootMount): LaidOutRoot {
  const step = host.state.create("step");
  const topFirst = topmostFirst(root.lowers);
  if (topFirst.length >= largestStack) throw tooManyLayers(topFirst.length);
  const inside = (name: string): string => join(step.path, name);
  const upper = root.upper ?? makeDirectory(inside("u"));
  for (const name of ["w", "m", "p"]) makeDirectory(inside(name));
  const lowers = [`${step.name}/p`, ...topFirst.map(host.state.link)];
  const short = relative(host.state.path, upper);
  const isElsewhere = short.startsWith("..");
  if (isElsewhere) symlinkSync(upper, inside("l"));
  const options = overlayOptions(lowers, isElsewhere ? `${step.name}/l` : short, `${step.name}/w`);
  return { step, inside, upper, topFirst, mount: { options, target: `${step.name}/m` } };
}

function resolverFile(network: ProcessSpec["network"], isolated: NetworkTool | undefined): string {
  const own = isolated === undefined ? undefined : resolverOf(isolated);
  return own === undefined
    ? resolvConf(network === "default" || network === "host")
    : withNameserver(resolvConf(true), own);
}

/**
 * Whether steps get control groups of their own. On v1 and hybrid machines crun makes one in each of a dozen
 * hierarchies, which takes as long as the rest of the step; runc cannot do without.
 */
export function usesCgroups(runtime: Runtime, mode: CgroupMode): boolean {
  return runtime.kind === "runc" || mode === "v2";
}

interface RuntimeCall {
  readonly root: string;
  readonly log: string;
  readonly bundle: string;
  readonly id: string;
  readonly ownCgroup: boolean;
}

function runtimeCommand(host: Host, at: RuntimeCall): string[] {
  const manager =
    host.runtime.kind === "crun" ? [`--cgroup-manager=${at.ownCgroup ? "cgroupfs" : "disabled"}`] : [];
  return [
    host.runtime.path,
    "--root",
    at.root,
    "--log",
    // crun takes what stands before a colon for the kind of log.
    host.runtime.kind === "crun" ? `file:${at.log}` : at.log,
    ...manager,
    "run",
    "--bundle",
    at.bundle,
    at.id,
  ];
}

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function tooManyLayers(count: number): BuildError {
  return new BuildError(
    "failed-precondition",
    `the root filesystem has ${count} layers; RUN works on up to ${largestStack - 1}`,
    {
      hint: "join instructions, or start a new stage and copy what is needed with COPY --from",
    },
  );
}
