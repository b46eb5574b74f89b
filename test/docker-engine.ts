import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tool } from "./sandbox.ts";

/** A Docker engine of the test's own, with nothing of the machine's. */
export interface DockerEngine {
  /** As DOCKER_HOST has it. */
  readonly host: string;
  /** Runs `docker ARGS` against it; returns what it printed. */
  docker(...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Debian's, whatever else is on PATH. */
const client = "/usr/bin/docker";

/** Starts dockerd with everything below `directory`, and more flags; it ends with this process at the latest. */
export async function startDockerEngine(
  directory: string,
  flags: readonly string[] = [],
): Promise<DockerEngine> {
  mkdirSync(directory, { recursive: true });
  const socket = join(directory, "docker.sock");
  const log = openSync(join(directory, "dockerd.log"), "w");
  const daemon: ChildProcess = spawn(
    "setpriv",
    [
      ...[
        "--pdeathsig",
        "TERM",
        "dockerd",
        "--host",
        `unix://${socket}`,
        "--bridge=none",
        "--iptables=false",
      ],
      ...[
        "--ip6tables=false",
        "--data-root",
        join(directory, "data"),
        "--exec-root",
        join(directory, "exec"),
      ],
      ...["--pidfile", join(directory, "dockerd.pid"), ...flags],
    ],
    { stdio: ["ignore", log, log] },
  );
  const docker = (...args: string[]) => tool(client, ["--host", `unix://${socket}`, ...args]);
  for (let waited = 0; !existsSync(socket) || !(await answers(docker)); waited += 100) {
    if (daemon.exitCode !== null || waited > 60_000)
      throw new Error(`dockerd did not start: see ${directory}/dockerd.log`);
    await sleep(100);
  }
  return {
    host: `unix://${socket}`,
    docker,
    async stop() {
      if (daemon.exitCode !== null) return;
      daemon.kill("SIGTERM");
      await once(daemon, "exit");
    },
  };
}

async function answers(docker: (...args: string[]) => Promise<string>): Promise<boolean> {
  try {
    await docker("version");
    return true;
  } catch {
    return false;
  }
}
