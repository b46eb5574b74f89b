import { isIP } from "node:net";
import type { BuildOptions } from "../../build/index.ts";
import { BuildError, defined } from "../../core/index.ts";
import type { Call } from "../command.ts";
import { sharedMemory, ulimitsOf } from "./limits.ts";

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
    ...defined({ cgroupParent }),
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
