import { join } from "node:path";
import { BuildError, readIfPresent, workerFile } from "../core/index.ts";
import { findTool, type Stacking } from "../stacking/index.ts";
import { cgroupParentOf } from "./cgroup-parent.ts";
import { type CgroupMode, hasUnifiedHierarchy } from "./host.ts";
import { topmostFirst } from "./mounts.ts";
import { detectNetworkTool, type PublishedPort, slirpSocket } from "./network.ts";
import { makeDirectory } from "./plain-files.ts";
import { privateDirectory } from "./private-files.ts";
import { rlimits } from "./rlimits.ts";
import type { Runtime, Tools } from "./runtime.ts";
import type { SeccompSetting } from "./seccomp-cache.ts";
import { containerId, type StateDir, stepsCgroup } from "./state-dir.ts";
import { layOutRootAlone, layOutStep, rootName } from "./step-layout.ts";
import type { RootPlan, StackPlan, StepPlan } from "./step-plan.ts";
import type { stepTasks } from "./step-worker.ts";
import type { Mount, ProcessIO, ProcessSpec, RootMount } from "./types.ts";

/** What all steps of an executor share. */
export interface Host {
  readonly runtime: Runtime;
  readonly tools: Tools;
  readonly state: StateDir;
  readonly cgroups: CgroupMode;
  readonly seccomp: ((step: { stepDir: string; runtimeState: string }) => SeccompSetting) | undefined;
  readonly stacking: Stacking;
}

const workerEntry = workerFile("step-worker", import.meta.url);

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

/** The kernel's limit on lower layers, one of which holds the mount points. */
const largestStack = 500;

/** Lays out a step's directory (see step-layout.ts): inside the user namespace, where there is one. */
export async function prepareStep(
  host: Host,
  root: RootMount,
  process: ProcessSpec,
  mounts: readonly Mount[],
  io: ProcessIO,
): Promise<PreparedStep> {
  const { state, stacking, runtime, cgroups } = host;
  const { step, stack } = beginStep(host, root, mounts);
  const isolated = process.network === "isolated" ? detectNetworkTool() : undefined;
  const id = containerId(state.id, step.name);
  const isSecret = Boolean(process.secretEnv?.length) || mounts.some(({ type }) => type === "secret");
  // Everything that the runtime reads and keeps holds the environment, so all of it is where the secrets are.
  const bundle = isSecret ? makeDirectory(join(step.path, privateDirectory)) : step.path;
  const runtimeRoot = join(isSecret ? bundle : state.path, "runtime");
  const log = join(step.path, "runtime.log");
  const setting = process.insecure
    ? undefined
    : host.seccomp?.({ stepDir: step.path, runtimeState: join(runtimeRoot, id) });
  const parent = cgroupParentOf(process.cgroupParent, host);
  const ownCgroup =
    stacking.namespace === undefined && (parent !== stepsCgroup || usesCgroups(runtime, cgroups));
  const plan: StepPlan = {
    ...stack,
    process,
    mounts,
    terminal: io.terminal,
    isolated,
    ids: stacking.namespace?.ids,
    rlimits: rlimits(process.ulimits, io.onWarning ?? (() => {})),
    cgroups,
    cgroupsPath: ownCgroup ? `${parent}/${id}` : undefined,
    lingers: runtime.kind === "crun" && io.terminal !== undefined,
    hideUnifiedCgroup: runtime.kind === "crun" && hasUnifiedHierarchy(),
    seccomp: setting?.seccomp,
    annotations: setting?.annotations ?? {},
    hooks: setting?.hooks,
    isSecret,
    command: runtimeCommand(host, { root: runtimeRoot, log, bundle, id, ownCgroup }),
  };
  const payload = await layOut(plan, stacking);
  return {
    name: step.name,
    payload,
    ...(isolated?.kind === "slirp4netns"
      ? { slirp: { socket: join(step.path, slirpSocket), ports: process.ports ?? [] } }
      : {}),
    runtimeLog: () => readIfPresent(log) ?? "",
    finish() {
      setting?.finish();
      setImmediate(state.removeStep, step.path);
    },
  };
}

/** Lays out a root filesystem for a program of the machine: it is only mounted, and nothing in it is made. */
export async function prepareBeside(
  host: Host,
  root: RootMount,
  command: (rootfs: string) => readonly string[],
): Promise<PreparedStep> {
  const { step, stack } = beginStep(host, root, []);
  const { namespace } = host.stacking;
  const plan: RootPlan = { ...stack, command: command(join(step.path, rootName)) };
  const task: keyof typeof stepTasks = "layOutRoot";
  if (namespace === undefined) layOutRootAlone(plan);
  else await namespace.run(workerEntry, task, plan);
  return {
    name: step.name,
    payload: new Uint8Array(),
    runtimeLog: () => "",
    finish: () => setImmediate(host.state.removeStep, step.path),
  };
}

/** Makes a step's directory, and says what its root filesystem is to be. */
function beginStep(
  { state, stacking }: Host,
  root: RootMount,
  mounts: readonly Mount[],
): { step: { name: string; path: string }; stack: StackPlan } {
  const step = state.create("step");
  const lowers = topmostFirst(root.lowers);
  if (lowers.length >= largestStack) throw tooManyLayers(lowers.length);
  const stack: StackPlan = {
    state: state.path,
    path: step.path,
    name: step.name,
    lowers,
    upper: root.upper ?? makeDirectory(join(step.path, "u")),
    links: linksOf([...lowers, ...mounts.flatMap(layersOf)], state),
    rung: stacking.rung,
    marks: stacking.marks,
    fuse: stacking.rung === "fuse-overlayfs" ? findTool("fuse-overlayfs") : undefined,
  };
  return { step, stack };
}

/** Here, where this process may, without a detour: it is quick. */
async function layOut(plan: StepPlan, { namespace }: Stacking): Promise<Uint8Array> {
  const task: keyof typeof stepTasks = "layOut";
  return namespace === undefined ? layOutStep(plan) : namespace.run(workerEntry, task, plan);
}

function layersOf(mount: Mount): readonly string[] {
  return mount.type === "overlay" ? mount.lowers : [];
}

function linksOf(layers: readonly string[], state: StateDir): ReadonlyMap<string, string> {
  return new Map(layers.map((layer) => [layer, state.link(layer)]));
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

function tooManyLayers(count: number): BuildError {
  return new BuildError(
    "failed-precondition",
    `the root filesystem has ${count} layers; RUN works on up to ${largestStack - 1}`,
    {
      hint: "join instructions, or start a new stage and copy what is needed with COPY --from",
    },
  );
}
