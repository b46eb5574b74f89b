import { isIP } from "node:net";
import type { BuildOptions } from "../../build/index.ts";
import { BuildError, parseSize } from "../../core/index.ts";
import type { Call } from "../command.ts";

type StepOptions = Pick<
  BuildOptions,
  "secrets" | "ssh" | "allow" | "extraHosts" | "shmSize" | "ulimits" | "cgroupParent"
>;

/** What the flags of `build` say about its RUN steps: what they are lent, granted and limited to. */
export async function stepOptions(call: Call): Promise<StepOptions> {
  const shmSize = call.get("shm-size");
  const cgroupParent = call.get("cgroup-parent");
  return {
    ...(await lentOptions(call)),
    allow: call.all("allow").filter((name) => name !== ""),
    extraHosts: call.all("add-host").flatMap((list) => list.split(",").flatMap(extraHosts)),
    ulimits: ulimitsOf(call.all("ulimit")),
    ...(shmSize === undefined ? {} : { shmSize: sharedMemory(shmSize) }),
    ...(cgroupParent === undefined ? {} : { cgroupParent }),
  };
}

async function lentOptions(call: Call): Promise<Pick<StepOptions, "secrets" | "ssh">> {
  const [secrets, agents] = ["secret", "ssh"].map((flag) => call.all(flag).filter((text) => text !== ""));
  if (!secrets?.length && !agents?.length) return {};
  const { parseSecret, parseSsh } = await import("../../session/index.ts");
  return {
    secrets: Object.fromEntries(secrets!.map((text) => parseSecret(text))),
    ssh: Object.fromEntries(agents!.map(parseSsh)),
  };
}

/** `HOST:IP`, `HOST=IP`; an IPv6 address may stand in brackets. `host-gateway` is the machine that builds. */
function extraHosts(text: string): { host: string; ip: string }[] {
  const [, host, given = ""] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
  const ip = given.replace(/^\[(.*)\]$/, "$1");
  if (host !== undefined && (ip === "host-gateway" || isIP(ip) !== 0)) return [{ host, ip }];
  throw new BuildError("invalid-argument", `invalid host ${text}`, {
    hint: "HOST:IP, HOST=IP or HOST:host-gateway",
  });
}

function sharedMemory(text: string): number {
  const size = parseSize(text);
  if (size !== undefined) return size;
  throw new BuildError("invalid-argument", `--shm-size: invalid size: '${text}'`, {
    hint: "bytes, or a number with k, m or g",
  });
}

const limitNames = [
  ...["core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss"],
  ...["rtprio", "rttime", "sigpending", "stack"],
];

/** `NAME=SOFT[:HARD]`, by name as docker passes them on; of several with one name the last counts. */
function ulimitsOf(texts: readonly string[]): { name: string; soft: number; hard: number }[] {
  const byName = new Map(texts.map((text) => [ulimitOf(text).name, ulimitOf(text)]));
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function ulimitOf(text: string): { name: string; soft: number; hard: number } {
  const invalid = (message: string): never => {
    throw new BuildError("invalid-argument", message, { hint: "--ulimit NAME=SOFT[:HARD]" });
  };
  const [, name, limits] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || limits === undefined) return invalid(`invalid ulimit argument: ${text}`);
  if (!limitNames.includes(name)) return invalid(`invalid ulimit type: ${name}`);
  const numbers = limits.split(":");
  if (numbers.length > 2)
    return invalid(`too many limit value arguments - ${limits}, can only have up to two, \`soft[:hard]\``);
  const [soft, hard = soft] = numbers.map((number) =>
    /^-?\d+$/.test(number) ? Number(number) : invalid(`invalid ulimit argument: ${text}`),
  ) as [number, number?];
  if (hard >= 0 && (soft < 0 || soft > hard))
    return invalid(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  return { name, soft, hard };
}
