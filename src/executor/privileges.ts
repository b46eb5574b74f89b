import { readdirSync } from "node:fs";
import { BuildError, nearest } from "../core/index.ts";
import { effectiveCapabilities } from "../stacking/index.ts";

/** Docker's default capabilities. */
export const defaultCapabilities: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

/** Names of all capabilities, by the kernel's numbers. */
const names = [
  ...["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"],
  ...[
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
  ],
  ...[
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
  ],
  ...["SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL"],
  ...["SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ"],
  ...["PERFMON", "BPF", "CHECKPOINT_RESTORE"],
];

/**
 * The `process.capabilities` of a sandboxed step, or of one that is to have every capability of this process: an ordinary
 * user's are those of the user namespace.
 */
export function capabilitySets(
  insecure: boolean,
  kept: readonly string[] = defaultCapabilities,
): Record<string, readonly string[]> {
  if (!insecure) return { bounding: kept, effective: kept, permitted: kept };
  const all = isRoot() ? ownCapabilities() : names.map((name) => `CAP_${name}`);
  return { bounding: all, effective: all, permitted: all, inheritable: all, ambient: all };
}

/**
 * What is left of Docker's default capabilities, by the names that `docker run --cap-drop` and `--cap-add` take. Throws
 * `unimplemented` for what would be more, `invalid-argument` for what is no capability.
 */
export function capabilitiesLeft(drop: readonly string[], add: readonly string[]): readonly string[] {
  const [dropped, added] = [drop.map(capabilityName), add.map(capabilityName)];
  const more = added.find((name) => !defaultCapabilities.includes(name));
  if (more !== undefined)
    throw new BuildError(
      "unimplemented",
      `--cap-add ${more}: more than Docker's default capabilities is not supported`,
      {
        hint: `they are ${defaultCapabilities.map((name) => name.slice("CAP_".length)).join(", ")}`,
      },
    );
  const left = dropped.includes(everything)
    ? []
    : defaultCapabilities.filter((name) => !dropped.includes(name));
  return defaultCapabilities.filter((name) => left.includes(name) || added.includes(name));
}

const everything = "ALL";

/** `CAP_CHOWN` for `chown` and `CAP_CHOWN`. */
function capabilityName(text: string): string {
  const name = text.toUpperCase().replace(/^CAP_/, "");
  if (name === everything) return name;
  if (names.includes(name)) return `CAP_${name}`;
  const near = nearest(name, names);
  throw new BuildError("invalid-argument", `unknown capability: ${JSON.stringify(text)}`, {
    hint: near === undefined ? undefined : `did you mean ${near}?`,
  });
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

function ownCapabilities(): string[] {
  const bits = effectiveCapabilities();
  return names.filter((_, number) => (bits >> BigInt(number)) & 1n).map((name) => `CAP_${name}`);
}

interface OciDevice {
  readonly path: string;
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
}

/** Devices beside the usual ones that an insecure step has, as BuildKit gives them. */
export function insecureDevices(): OciDevice[] {
  if (!isRoot()) return [];
  const character = (path: string, major: number, minor: number): OciDevice => ({
    path,
    type: "c",
    major,
    minor,
  });
  const loops = [...new Set([...Array(8).keys(), ...loopNumbers()])].sort((a, b) => a - b);
  return [
    character("/dev/kmsg", 1, 11),
    character("/dev/cuse", 10, 203),
    character("/dev/fuse", 10, 229),
    character("/dev/kvm", 10, 232),
    character("/dev/net/tun", 10, 200),
    character("/dev/loop-control", 10, 237),
    ...loops.map((minor): OciDevice => ({ path: `/dev/loop${minor}`, type: "b", major: 7, minor })),
  ];
}

function loopNumbers(): number[] {
  return readdirSync("/dev").flatMap((name) => {
    const number = /^loop(\d+)$/.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}
