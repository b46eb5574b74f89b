import { setTimeout as sleep } from "node:timers/promises";
import { BuildError } from "../core/index.ts";
import type { ContainerStore } from "./store.ts";
import type { Container } from "./types.ts";

const pollMs = 20;
/** How long a killed container may take to be gone. */
const killMs = 20_000;
/** How long a container may take to get from its state to its program. */
const startMs = 5_000;

/** Sends a signal to a container's program. Throws `failed-precondition` when it does not run. */
export async function signalContainer(
  containers: ContainerStore,
  container: Container,
  signal: NodeJS.Signals,
): Promise<void> {
  const program = await programOf(containers, container);
  if (program === undefined)
    throw new BuildError("failed-precondition", `container ${container.name} is not running`);
  try {
    process.kill(program, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Stops a container: its stop signal, then SIGKILL after `timeout` seconds (negative: never). One that does not run is left alone. */
export async function stopContainer(
  containers: ContainerStore,
  container: Container,
  timeout: number = container.stopTimeout,
): Promise<void> {
  if (containers.state(container).status !== "running") return;
  if (timeout !== 0) {
    await signalContainer(containers, container, container.stopSignal).catch(ignoreNotRunning);
    if (await hasEnded(containers, container, timeout < 0 ? Number.POSITIVE_INFINITY : timeout * 1000))
      return;
  }
  await killContainer(containers, container);
}

/** Kills a container's program, and waits until all of it is gone. */
export async function killContainer(containers: ContainerStore, container: Container): Promise<void> {
  await signalContainer(containers, container, "SIGKILL").catch(ignoreNotRunning);
  if (await hasEnded(containers, container, killMs)) return;
  throw new BuildError(
    "deadline-exceeded",
    `container ${container.name} does not end, although it was killed`,
  );
}

/** Waits for the end of a container and returns its exit code; of one that was never started, 0. */
export async function waitForContainer(
  containers: ContainerStore,
  container: Container,
  signal: AbortSignal,
): Promise<number> {
  for (;;) {
    signal.throwIfAborted();
    const state = containers.state(container);
    if (state.status !== "running") return state.exitCode ?? 0;
    await sleep(pollMs, undefined, { signal });
  }
}

async function hasEnded(containers: ContainerStore, container: Container, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (containers.isOccupied(container)) {
    if (performance.now() > deadline) return false;
    await sleep(pollMs);
  }
  return true;
}

async function programOf(containers: ContainerStore, container: Container): Promise<number | undefined> {
  const deadline = performance.now() + startMs;
  for (;;) {
    const state = containers.state(container);
    if (state.status !== "running") return undefined;
    if (state.program !== undefined) return state.program;
    if (performance.now() > deadline)
      throw new BuildError("deadline-exceeded", `container ${container.name} has not started yet`);
    await sleep(pollMs);
  }
}

function ignoreNotRunning(error: unknown): void {
  if (!(error instanceof BuildError && error.code === "failed-precondition")) throw error;
}
