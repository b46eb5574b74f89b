import { arch } from "node:process";
import {
  allowedByArchitecture,
  allowedByCapability,
  alwaysAllowed,
  seccompArchitectures,
  tracing,
} from "./seccomp-table.ts";

/** `linux.seccomp` of an OCI runtime configuration. */
export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly { index: number; value: number; valueTwo?: number; op: string }[];
}

const EPERM = 1;
const ENOSYS = 38;
const addressFamilyAlg = 38;
const addressFamilyVsock = 40;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const namespaceFlags = 0x7e020000;
/** PER_LINUX, PER_LINUX32, UNAME26, both of them, and the value that only asks. */
const personalities = [0x0, 0x0008, 0x20000, 0x20008, 0xffffffff];

/** Which argument of the calls that make nodes is the mode; the device number follows it. */
const mknodModeArgument: Readonly<Record<string, number>> = { mknod: 1, mknodat: 2 };
const typeMask = 0o170000;
const characterDevice = 0o020000;
/** Unset (a regular file), regular file, pipe, socket. */
const plainTypes = [0, 0o100000, 0o010000, 0o140000];
/** 0:0 (the whiteout of overlayfs), null, zero, full, random, urandom, tty and ptmx. */
const harmlessDevices = [0, 0x103, 0x105, 0x107, 0x108, 0x109, 0x500, 0x502];

export interface SeccompOptions {
  /** A processor as Node names it. */
  readonly processor?: string;
  /**
   * Refuses to make device nodes other than those that every container has. For when no control group keeps
   * the process, which holds CAP_MKNOD, from opening the machine's disks.
   */
  readonly guardDevices?: boolean;
}

/** Docker's default profile for a process with these capabilities. */
export function defaultSeccomp(
  capabilities: readonly string[],
  options: SeccompOptions = {},
): SeccompProfile {
  const { processor = arch, guardDevices = false } = options;
  const held = new Set(capabilities);
  const names = [...alwaysAllowed, ...tracing, ...(allowedByArchitecture[processor] ?? [])];
  for (const [capability, more] of Object.entries(allowedByCapability))
    if (held.has(capability)) names.push(...more);
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: EPERM,
    architectures: seccompArchitectures[processor] ?? [],
    syscalls: [
      {
        names: [...new Set(names)].filter((name) => !guardDevices || mknodModeArgument[name] === undefined),
        action: "SCMP_ACT_ALLOW",
      },
      ...(guardDevices ? harmlessNodes() : []),
      ...sockets(),
      ...personalities.map((value) => allowWhere("personality", { index: 0, value, op: "SCMP_CMP_EQ" })),
      ...(held.has("CAP_SYS_ADMIN") ? [] : withoutNamespaces(processor)),
    ],
  };
}

/** Files, pipes and sockets, and the character devices of every container. */
function harmlessNodes(): SeccompRule[] {
  return Object.entries(mknodModeArgument).flatMap(([name, index]) => {
    const ofType = (type: number) => ({ index, value: typeMask, valueTwo: type, op: "SCMP_CMP_MASKED_EQ" });
    return [
      ...plainTypes.map((type) => allowWhere(name, ofType(type))),
      ...harmlessDevices.map((value) =>
        allowWhere(name, ofType(characterDevice), { index: index + 1, value, op: "SCMP_CMP_EQ" }),
      ),
    ];
  });
}

/** Every address family but AF_VSOCK, which reaches the hypervisor's host, and AF_ALG. */
function sockets(): SeccompRule[] {
  return [
    allowWhere("socket", { index: 0, value: addressFamilyAlg, op: "SCMP_CMP_LT" }),
    allowWhere("socket", { index: 0, value: addressFamilyAlg + 1, op: "SCMP_CMP_EQ" }),
    allowWhere("socket", { index: 0, value: addressFamilyVsock, op: "SCMP_CMP_GT" }),
  ];
}

/**
 * clone without new namespaces. The flags of clone3 are behind a pointer that a filter cannot follow; ENOSYS makes the
 * C library fall back to clone.
 */
function withoutNamespaces(processor: string): SeccompRule[] {
  const index = processor === "s390x" ? 1 : 0;
  return [
    allowWhere("clone", { index, value: namespaceFlags, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }),
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
  ];
}

type Condition = NonNullable<SeccompRule["args"]>[number];

function allowWhere(name: string, ...args: readonly Condition[]): SeccompRule {
  return { names: [name], action: "SCMP_ACT_ALLOW", args };
}
