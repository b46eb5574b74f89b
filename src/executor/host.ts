import { accessSync, constants, readFileSync, statfsSync } from "node:fs";
import { BuildError } from "../core/index.ts";

/** How control groups are set up on this machine. */
export type CgroupMode = "v2" | "hybrid" | "v1" | "none";

const capSysAdmin = 21n;
/** The capability to raise resource limits. */
export const capSysResource = 24n;
const overlayMagic = 0x794c7630;
const cgroup2Magic = 0x63677270;

/** Throws `failed-precondition` unless this process may make namespaces and mount. */
export function requireRoot(): void {
  if (process.platform !== "linux")
    throw new BuildError("failed-precondition", `RUN needs Linux; this is ${process.platform}`, {
      hint: "builds without RUN work everywhere",
    });
  const isRoot = process.geteuid?.() === 0;
  if (isRoot && hasCapability(capSysAdmin)) return;
  throw new BuildError(
    "failed-precondition",
    isRoot ? "RUN needs the capability CAP_SYS_ADMIN, which this process does not have" : "RUN needs root",
    {
      hint: isRoot
        ? "start the container that this runs in with --privileged; builds without RUN need no privileges"
        : "run the build as root (sudo); builds without RUN need no privileges",
    },
  );
}

/** Whether this process has a capability, by its number. */
export function hasCapability(number: bigint): boolean {
  const match = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"));
  return match !== null && ((BigInt(`0x${match[1]}`) >> number) & 1n) === 1n;
}

/**
 * Throws `failed-precondition` when `directory` lies on an overlay filesystem: that cannot hold the upper directory of
 * another overlay.
 */
export function requireUpperSupport(directory: string): void {
  if (statfsSync(directory).type !== overlayMagic) return;
  throw new BuildError(
    "failed-precondition",
    `the store ${directory} is on overlayfs, where RUN cannot write`,
    {
      hint: "put the store on another filesystem with --root or STAGEWRIGHT_ROOT: in a container, a volume or a tmpfs",
    },
  );
}

/**
 * What /sys/fs/cgroup is. `none` also where a step can have no group of its own: where it cannot be written, as in most
 * containers, and where crun cannot lock memory for the program that guards the devices.
 */
export function cgroupMode(runtime: "crun" | "runc"): CgroupMode {
  try {
    const usable = isWritable("/sys/fs/cgroup") && (runtime === "runc" || hasCapability(capSysResource));
    if (statfsSync("/sys/fs/cgroup").type === cgroup2Magic) return usable ? "v2" : "none";
    if (exists("/sys/fs/cgroup/unified/cgroup.controllers")) return "hybrid";
    return exists("/sys/fs/cgroup/devices") ? "v1" : "none";
  } catch {
    return "none";
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Whether processes can have a control group namespace of their own, as BuildKit decides it. */
export function cgroupNamespaces(mode: CgroupMode): boolean {
  return (mode === "v2" || exists("/sys/fs/cgroup/cgroup.subtree_control")) && exists("/proc/self/ns/cgroup");
}

/** Whether the kernel enforces seccomp filters. */
export function seccompAvailable(): boolean {
  return /^Seccomp:/m.test(readFileSync("/proc/self/status", "latin1"));
}
