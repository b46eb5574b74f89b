import { accessSync, constants, readFileSync, statfsSync } from "node:fs";
import { capabilities, hasCapability } from "../stacking/index.ts";

/** How control groups are set up on this machine. */
export type CgroupMode = "v2" | "hybrid" | "v1" | "none";

const cgroup2Magic = 0x63677270;

/**
 * What /sys/fs/cgroup is. `none` also where a step can have no group of its own: where it cannot be written, as in most
 * containers, and where crun cannot lock memory for the program that guards the devices.
 */
export function cgroupMode(runtime: "crun" | "runc"): CgroupMode {
  try {
    const usable =
      isWritable("/sys/fs/cgroup") && (runtime === "runc" || hasCapability(capabilities.sysResource));
    if (statfsSync("/sys/fs/cgroup").type === cgroup2Magic) return usable ? "v2" : "none";
    if (hasUnifiedHierarchy()) return "hybrid";
    return exists("/sys/fs/cgroup/devices") ? "v1" : "none";
  } catch {
    return "none";
  }
}

/** Whether control groups are half v1, half v2, which crun refuses. */
export function hasUnifiedHierarchy(): boolean {
  return exists("/sys/fs/cgroup/unified/cgroup.controllers");
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
