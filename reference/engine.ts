import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { workMount } from "./peers.ts";
import { registryCommands } from "./registry.ts";

/**
 * A real Docker engine in the peers' root, with namespaces of its own for mounts, processes and network. Everything
 * hangs on this process: when it ends, however it ends, the kernel takes the engine and the mounts away.
 */

export interface EngineOptions {
  /** Keep images in containerd's store, which exports what BuildKit itself made. */
  readonly containerdStore: boolean;
  /** Images that a loopback registry inside serves, see `registryCommands`. */
  readonly registryImages?: Readonly<Record<string, string>>;
}

export interface Engine {
  /** Socket of the engine, as the host sees it. */
  readonly socket: string;
  /** Root of the process tree that the engine is. */
  readonly pid: number;
  /** Waits for a clean end, at most ten seconds. */
  stop(): Promise<void>;
}

/** Starts the engine and waits until it answers. `mountPeers` comes first. */
export async function startEngine(root: string, work: string, options: EngineOptions): Promise<Engine> {
  const directory = join(work, "engine");
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(directory, "daemon.json"),
    JSON.stringify({ features: { "containerd-snapshotter": options.containerdStore } }),
  );
  writeFileSync(join(directory, "start.sh"), startScript(options.registryImages ?? {}));
  const logFile = join(directory, "log");
  const log = openSync(logFile, "w");
  const namespaces = ["--mount", "--pid", "--net", "--fork", "--kill-child"];
  // /proc has to show the new process namespace to whoever runs in the root.
  const command = `mount -t proc proc ${root}/proc && exec chroot ${root} sh ${workMount}/engine/start.sh`;
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "unshare", ...namespaces, "sh", "-c", command], {
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const socket = join(directory, "docker.sock");
  try {
    await untilAnswering(socket, child);
  } catch (error) {
    child.kill("SIGKILL");
    const tail = readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-12).join("\n");
    throw new Error(`the engine does not start: ${(error as Error).message}\n${tail}`);
  }
  return { socket, pid: child.pid!, stop: () => stop(child, directory) };
}

function startScript(images: Readonly<Record<string, string>>): string {
  const here = `${workMount}/engine`;
  return [
    "set -e",
    "ip link set lo up",
    ...registryCommands(images),
    `exec dockerd --iptables=false --ip6tables=false --config-file ${here}/daemon.json --log-level warn \\`,
    `  --host unix://${here}/docker.sock --data-root /var/lib/docker --exec-root /run/docker --pidfile /run/docker.pid`,
    "",
  ].join("\n");
}

async function untilAnswering(socket: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("it ended at once");
    if (await answers(socket)) return;
    await sleep(50);
  }
  throw new Error("no answer within a minute");
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ socketPath: socket, path: "/_ping", timeout: 1000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on("error", () => resolve(false));
    call.end();
  });
}

async function stop(child: ChildProcess, directory: string): Promise<void> {
  const ended = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });
  // The engine is the first process of its namespace: the only child of `unshare`.
  const init = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
  if (init !== "") process.kill(Number(init), "SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(timer);
  rmSync(directory, { recursive: true, force: true });
}
