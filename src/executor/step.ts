import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { BuildError } from "../core/index.ts";
import type { CgroupMode } from "./host.ts";
import { createMountPoints, createWorkingDirectory, systemMountPoints } from "./mount-points.ts";
import { overlayOptions, prepareMount, topmostFirst } from "./mounts.ts";
import { defaultHostname, hostsFile, resolvConf } from "./network-files.ts";
import { ociConfig } from "./oci-config.ts";
import { makeDirectory, writePlainFile } from "./plain-files.ts";
import { rlimits } from "./rlimits.ts";
import { type OpaqueTest, readInLowers } from "./rootfs-lookup.ts";
import type { Runtime, Tools } from "./runtime.ts";
import type { SeccompSetting } from "./seccomp-cache.ts";
import { type OverlayMount, startScript } from "./start-script.ts";
import { cgroupParent, containerId, removeStep, type StateDir } from "./state-dir.ts";
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
  /** What the runtime itself reported. */
  runtimeLog(): string;
  /** After the last process is gone and `runtimeLog` was read. */
  finish(): void;
}

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
  const step = host.state.create("step");
  const topFirst = topmostFirst(root.lowers);
  if (topFirst.length >= largestStack) throw tooManyLayers(topFirst.length);
  const upper = root.upper ?? makeDirectory(join(step.path, "u"));
  const inside = (name: string): string => join(step.path, name);
  for (const name of ["w", "m", "p"]) makeDirectory(inside(name));

  const id = containerId(host.state.id, step.name);
  const runtimeRoot = join(host.state.path, "runtime");
  const log = inside("runtime.log");
  const { link } = host.state;
  const extra = mounts.map((mount, index) => prepareMount(mount, index, topFirst, step, link, host.isOpaque));
  const setting = host.seccomp?.({ stepDir: step.path, runtimeState: join(runtimeRoot, id) });

  const { isOpaque } = host;
  const user = resolveUser(process.user, {
    passwd: readInLowers(topFirst, "/etc/passwd", isOpaque),
    group: readInLowers(topFirst, "/etc/group", isOpaque),
  });
  const cwd = process.cwd || "/";
  createWorkingDirectory(upper, topFirst, cwd, user, isOpaque);
  createMountPoints(
    inside("p"),
    topFirst,
    [...systemMountPoints, ...extra.map((mount) => mount.point)],
    isOpaque,
  );
  const hostname = process.hostname || defaultHostname;
  writePlainFile(inside("hosts"), hostsFile(hostname, process.extraHosts));
  writePlainFile(inside("resolv.conf"), resolvConf(process.network !== "none"));
  const config = ociConfig({
    rootfs: inside("m"),
    args: process.args,
    env: process.env,
    cwd,
    user,
    hostname,
    terminal: io.tty === true,
    network: process.network === "none" ? "none" : "host",
    mounts: extra.map((mount) => mount.oci),
    rlimits: rlimits(process.ulimits, io.onWarning ?? (() => {})),
    hostsFile: inside("hosts"),
    resolvConfFile: inside("resolv.conf"),
    seccomp: setting?.seccomp,
    annotations: setting?.annotations ?? {},
    ...(setting?.hooks === undefined ? {} : { hooks: setting.hooks }),
    cgroups: host.cgroups,
    cgroupsPath: usesCgroups(host.runtime, host.cgroups) ? `${cgroupParent}/${id}` : undefined,
  });
  writeFileSync(inside("config.json"), JSON.stringify(config), { mode: 0o600 });

  const lowers = [`${step.name}/p`, ...topFirst.map(link)];
  const short = relative(host.state.path, upper);
  if (short.startsWith("..")) symlinkSync(upper, inside("l"));
  const rootMount: OverlayMount = {
    options: overlayOptions(lowers, short.startsWith("..") ? `${step.name}/l` : short, `${step.name}/w`),
    target: `${step.name}/m`,
  };
  const start = startScript({
    mounts: [rootMount, ...extra.flatMap((mount) => mount.overlay ?? [])],
    command: runtimeCommand(host, { root: runtimeRoot, log, bundle: step.path, id }),
    hideUnifiedCgroup: host.cgroups === "hybrid" && host.runtime.kind === "crun",
  });
  writeFileSync(inside("start.sh"), start, { mode: 0o600 });
  return {
    name: step.name,
    runtimeLog: () => readIfPresent(log),
    finish() {
      setting?.finish();
      setImmediate(removeStep, step.path);
    },
  };
}

/**
 * Whether steps get control groups of their own. On v1 and hybrid machines crun makes one in each of a dozen
 * hierarchies, which takes as long as the rest of the step; runc cannot do without.
 */
export function usesCgroups(runtime: Runtime, mode: CgroupMode): boolean {
  return runtime.kind === "runc" || mode === "v2";
}

function runtimeCommand(host: Host, at: { root: string; log: string; bundle: string; id: string }): string[] {
  const manager =
    host.runtime.kind === "crun"
      ? [`--cgroup-manager=${usesCgroups(host.runtime, host.cgroups) ? "cgroupfs" : "disabled"}`]
      : [];
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
