import { existsSync } from "node:fs";
import { defined } from "../core/index.ts";
import { type IdMap, isMapped } from "../stacking/index.ts";
import type { TerminalSize } from "../sys/index.ts";
import { type CgroupMode, cgroupNamespaces } from "./host.ts";
import { capabilitySets, insecureDevices } from "./privileges.ts";
import type { OciRlimit } from "./rlimits.ts";
import type { SeccompProfile } from "./seccomp.ts";
import type { ProcessUser } from "./users.ts";

/** The search path of a process whose environment has none. */
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface ConfigInput {
  readonly rootfs: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: ProcessUser;
  readonly hostname: string;
  readonly terminal: TerminalSize | undefined;
  /** Every capability and device, nothing of /proc and /sys hidden. */
  readonly insecure: boolean;
  readonly capabilities?: readonly string[];
  readonly readonlyRoot: boolean;
  /** A path is that of a network namespace. */
  readonly network: "host" | "none" | { readonly path: string };
  /** Beside those that every step has. */
  readonly mounts: readonly OciMount[];
  readonly rlimits: readonly OciRlimit[];
  readonly hostsFile: string;
  readonly resolvConfFile: string;
  readonly seccomp: SeccompProfile | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  readonly cgroups: CgroupMode;
  /** Absolute path below the hierarchies' roots, or undefined: no control group of its own. */
  readonly cgroupsPath: string | undefined;
  readonly hooks?: Readonly<Record<string, readonly OciHook[]>>;
  /** Ids of the user namespace that the runtime is started in; undefined in that of the machine. */
  readonly ids: IdMap | undefined;
}

export interface OciHook {
  readonly path: string;
  readonly args: readonly string[];
}

/** The runtime configuration (`config.json`) of one step: what BuildKit gives to runc. */
export function ociConfig(input: ConfigInput): Record<string, unknown> {
  const { insecure } = input;
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: input.terminal !== undefined,
      ...(input.terminal === undefined
        ? {}
        : { consoleSize: { width: input.terminal.columns, height: input.terminal.rows } }),
      user: {
        uid: input.user.uid,
        gid: input.user.gid,
        additionalGids: input.user.groups,
        umask: 0o022,
      },
      args: input.args,
      env: completeEnv(input.env, input.user.home),
      cwd: input.cwd,
      capabilities: capabilitySets(insecure, input.capabilities),
      noNewPrivileges: false,
      ...(input.rlimits.length > 0 ? { rlimits: input.rlimits } : {}),
    },
    root: { path: input.rootfs, readonly: input.readonlyRoot },
    hostname: input.hostname,
    mounts: lastOfEach([...systemMounts(input), ...input.mounts]),
    linux: {
      namespaces: namespaces(input),
      maskedPaths: insecure ? [] : maskedPaths,
      readonlyPaths: insecure ? [] : readonlyPaths,
      // Device nodes cannot be made in a user namespace.
      ...(insecure && input.ids === undefined ? { devices: insecureDevices() } : {}),
      ...(input.cgroupsPath === undefined
        ? {}
        : {
            cgroupsPath: input.cgroupsPath,
            // The runtimes add the devices that every container has.
            resources: { devices: insecure ? everyDevice : [{ allow: false, access: "rwm" }] },
          }),
      ...defined({ seccomp: input.seccomp }),
    },
    annotations: input.annotations,
    ...defined({ hooks: input.hooks }),
  };
}

const everyDevice = [
  { allow: true, type: "c", access: "rwm" },
  { allow: true, type: "b", access: "rwm" },
];

/** A mount on the place of an earlier one replaces it. */
function lastOfEach(mounts: readonly OciMount[]): OciMount[] {
  return [...new Map(mounts.map((mount) => [mount.destination, mount])).values()];
}

function completeEnv(env: readonly string[], home: string): string[] {
  const has = (name: string): boolean => env.some((entry) => entry.startsWith(`${name}=`));
  return [...env, ...(has("PATH") ? [] : [defaultPath]), ...(has("HOME") ? [] : [`HOME=${home}`])];
}

function namespaces(input: ConfigInput): { type: string; path?: string }[] {
  const own = input.cgroupsPath !== undefined && cgroupNamespaces(input.cgroups) ? ["cgroup"] : [];
  const named = ["pid", "ipc", "uts", "mount", ...own].map((type) => ({ type }));
  if (input.network === "host") return named;
  return [...named, { type: "network", ...(input.network === "none" ? {} : input.network) }];
}

function systemMounts(input: ConfigInput): OciMount[] {
  const mount = (destination: string, type: string, source: string, ...options: string[]): OciMount => ({
    destination,
    type,
    source,
    options,
  });
  const guarded = ["nosuid", "noexec", "nodev"];
  const readonly = input.insecure ? [] : ["ro"];
  return [
    mount("/proc", "proc", "proc", ...guarded),
    mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
    mount(
      "/dev/pts",
      "devpts",
      "devpts",
      "nosuid",
      "noexec",
      "newinstance",
      "ptmxmode=0666",
      "mode=0620",
      ...(input.ids === undefined || isMapped(input.ids.gids, ttyGroup) ? [`gid=${ttyGroup}`] : []),
    ),
    mount("/dev/shm", "tmpfs", "shm", ...guarded, "mode=1777", "size=65536k"),
    mount("/dev/mqueue", "mqueue", "mqueue", ...guarded),
    // sysfs belongs to the network namespace, which is not ours in a user namespace.
    input.ids === undefined
      ? mount("/sys", "sysfs", "sysfs", ...guarded, ...readonly)
      : mount("/sys", "bind", "/sys", ...guarded, "rbind", ...readonly),
    mount("/etc/resolv.conf", "bind", input.resolvConfFile, ...guarded, "rbind", "ro"),
    mount("/etc/hosts", "bind", input.hostsFile, ...guarded, "rbind", "ro"),
    // What the machine has mounted below /sys comes along.
    ...(input.ids !== undefined && existsSync("/sys/fs/cgroup")
      ? [mount("/sys/fs/cgroup", "tmpfs", "tmpfs", ...guarded, "ro", "size=0k", "mode=755")]
      : []),
    ...(input.cgroups === "none"
      ? []
      : [mount("/sys/fs/cgroup", "cgroup", "cgroup", ...readonly, ...guarded)]),
  ];
}

/** The group of terminals, as on every machine. */
const ttyGroup = 5;

const maskedPaths = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
  "/proc/scsi",
];

const readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
