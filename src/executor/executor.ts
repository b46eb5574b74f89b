import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { BuildError } from "../core/index.ts";
import { stackingOf } from "../stacking/index.ts";
import type { Chain, ChainExit } from "./chain.ts";
import { type ChainPool, openChainPool } from "./chain-pool.ts";
import { resizeConsole } from "./chain-terminal.ts";
import { endOfStep } from "./exit-code.ts";
import { cgroupMode, seccompAvailable } from "./host.ts";
import { networkMark, publishThroughSlirp } from "./network.ts";
import { defaultCapabilities } from "./privileges.ts";
import { detectRuntime, detectTools } from "./runtime.ts";
import { defaultSeccomp } from "./seccomp.ts";
import { seccompCache } from "./seccomp-cache.ts";
import { openStateDir, sweep } from "./state-dir.ts";
import { type Host, type PreparedStep, prepareBeside, prepareStep, usesCgroups } from "./step.ts";
import type { Executor, ExitStatus, Mount, ProcessIO, ProcessSpec, RootMount } from "./types.ts";

export interface ExecutorOptions {
  /** `run/` of a store: bundles, upper directories and the runtime's state. Created when missing. */
  readonly stateDir: string;
  /** Name or path of an OCI runtime; the default is crun, else runc. */
  readonly runtime?: string;
}

/**
 * Makes what runs the steps of one build. Throws `failed-precondition` when this machine cannot: neither root nor
 * allowed to make a user namespace, or no OCI runtime. Call it from a thread that outlives the steps: they die with the thread.
 */
export async function createExecutor(options: ExecutorOptions): Promise<Executor> {
  const stacking = await stackingOf(dirname(options.stateDir));
  const tools = detectTools();
  const runtime = await detectRuntime(options.runtime);
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
  sweep(options.stateDir, stacking.namespace);
  const state = openStateDir(options.stateDir, stacking.namespace);
  const cgroups = stacking.namespace === undefined ? cgroupMode(runtime.kind) : "none";
  const profile = defaultSeccomp(defaultCapabilities, { guardDevices: !usesCgroups(runtime, cgroups) });
  const host: Host = {
    runtime,
    tools,
    state,
    cgroups,
    seccomp: seccompAvailable() ? seccompCache(runtime, profile, state.shared, tools.sh) : undefined,
    stacking,
  };
  const chains = openChainPool(tools, state.path, stacking.namespace);
  chains.prepare();
  const running = new Set<Chain>();
  return {
    runtime: `${runtime.kind} ${runtime.version}`,
    hasSingleId: stacking.namespace?.ids.kind === "single",
    createUpper: () => state.create("upper").path,
    run: (root, process, mounts, io, signal) =>
      runStep(host, chains, running, { root, process, mounts, io, signal }),
    runBeside: (root, command, io, signal) =>
      follow(host, chains, running, io, signal, () => prepareBeside(host, root, command)),
    kill: () => {
      for (const chain of running) chain.kill();
    },
    close: () => {
      chains.close();
      state.close();
    },
  };
}

interface StepRequest {
  readonly root: RootMount;
  readonly process: ProcessSpec;
  readonly mounts: readonly Mount[];
  readonly io: ProcessIO;
  readonly signal: AbortSignal;
}

function runStep(
  host: Host,
  chains: ChainPool,
  running: Set<Chain>,
  { root, process, mounts, io, signal }: StepRequest,
): Promise<ExitStatus> {
  return follow(host, chains, running, io, signal, () => prepareStep(host, root, process, mounts, io));
}

async function follow(
  host: Host,
  chains: ChainPool,
  running: Set<Chain>,
  io: ProcessIO,
  signal: AbortSignal,
  prepare: () => Promise<PreparedStep>,
): Promise<ExitStatus> {
  throwIfAborted(signal);
  const chain = chains.take(io);
  const errors = errorTail();
  const abort = (): void => chain.terminate();
  running.add(chain);
  signal.addEventListener("abort", abort, { once: true });
  let exit: ChainExit;
  let step: PreparedStep;
  try {
    // Written to disk while the chain's programs are loaded.
    step = await prepare();
    chain.start(
      step.name,
      (stream, data) => {
        if (stream === 2) errors.add(data);
        io.onOutput?.(stream, data);
      },
      step.payload,
    );
    // After this one is on its way: making a process blocks for a while.
    setImmediate(chains.prepare);
    if (step.slirp !== undefined) await connectSlirp(chain, step.slirp);
    io.onStart?.({
      forward: (name) => chain.forward(name),
      program: () => chain.program(),
      type: (data) => chain.terminal?.type(data),
      resize: (size) => {
        chain.terminal?.resize(size);
        const program = chain.program();
        if (chain.terminal !== undefined && program !== undefined) resizeConsole(program, size);
      },
    });
    exit = await chain.exited;
  } catch (error) {
    chain.kill();
    throw error;
  } finally {
    running.delete(chain);
    signal.removeEventListener("abort", abort);
  }
  const runtimeLog = step.runtimeLog();
  step.finish();
  throwIfAborted(signal);
  if (exit.setupError !== undefined) throw setupFailed(exit);
  const end = endOfStep(exit.code, host.runtime.kind, runtimeLog, errors.text());
  if ("code" in end) return end;
  throw new BuildError("internal", `${host.runtime.path} cannot run a step: ${end.runtimeError}`);
}

/** When slirp4netns does not come up, the exit of the chain says why. */
async function connectSlirp(
  chain: Chain,
  { socket, ports }: NonNullable<PreparedStep["slirp"]>,
): Promise<void> {
  try {
    await chain.said(networkMark);
  } catch {
    return;
  }
  await publishThroughSlirp(socket, ports);
  chain.tell("connected");
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new BuildError("canceled", "canceled", { cause: signal.reason });
}

function setupFailed(exit: ChainExit): BuildError {
  return new BuildError("internal", `cannot set up a step: ${exit.setupError || `exit code ${exit.code}`}`, {
    hint: "the kernel's log (dmesg) may say more",
  });
}

/** The last bytes of what a step printed on stderr. */
function errorTail(): { add(data: Uint8Array): void; text(): string } {
  let tail = Buffer.alloc(0);
  return {
    add(data) {
      tail =
        data.length >= 512 ? Buffer.from(data.subarray(-512)) : Buffer.concat([tail, data]).subarray(-512);
    },
    text: () => tail.toString("utf8"),
  };
}
