import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { workMount } from "./peers.ts";

/** A real registry on the loopback of a network namespace; its address is constant, for LLB digests hold it. */
export const registryAddress = "127.0.0.1:5000";

const config = `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: /var/lib/docker-registry } }
http: { addr: "${registryAddress}" }
`;

/**
 * Shell commands, for a script in the peers' root, that start the registry in the background and push OCI layouts
 * into it: repository name → directory below the work directory.
 */
export function registryCommands(images: Readonly<Record<string, string>>): string[] {
  if (Object.keys(images).length === 0) return [];
  const start = `docker-registry serve /run/registry.yml &`;
  const write = `cat > /run/registry.yml <<'END'\n${config}END`;
  const copies = Object.entries(images).map(
    ([name, layout]) =>
      `skopeo --insecure-policy copy --quiet --preserve-digests --retry-times 5 --dest-tls-verify=false ` +
      `oci:${workMount}/${layout} docker://${registryAddress}/${name}`,
  );
  return [write, start, ...copies];
}

/** Starts the registry for this process's own network namespace; it ends with this process. */
export async function startRegistry(
  root: string,
  work: string,
  images: Readonly<Record<string, string>>,
): Promise<{ stop(): void }> {
  const directory = join(work, "registry");
  mkdirSync(directory);
  const here = `${workMount}/registry`;
  const script = [
    "set -e",
    "ip link set lo up",
    ...registryCommands(images),
    `touch ${here}/ready`,
    "wait",
    "",
  ];
  writeFileSync(join(directory, "start.sh"), script.join("\n"));
  const chain = ["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child"];
  const logFile = join(directory, "log");
  const log = openSync(logFile, "w");
  const child = spawn("setpriv", [...chain, "chroot", root, "sh", `${here}/start.sh`], {
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const deadline = Date.now() + 30_000;
  while (!existsSync(join(directory, "ready"))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`the registry does not start:\n${readFileSync(logFile, "utf8").slice(-2000)}`);
    }
    await sleep(50);
  }
  return { stop: () => void child.kill("SIGKILL") };
}
