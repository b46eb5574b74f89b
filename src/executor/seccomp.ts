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

/** Docker's default profile for a process with these capabilities, on a processor as Node names it. */
export function defaultSeccomp(capabilities: readonly string[], processor: string = arch): SeccompProfile {
  const held = new Set(capabilities);
  const names = [...alwaysAllowed, ...tracing, ...(allowedByArchitecture[processor] ?? [])];
  for (const [capability, more] of Object.entries(allowedByCapability))
    if (held.has(capability)) names.push(...more);
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: EPERM,
    architectures: seccompArchitectures[processor] ?? [],
    syscalls: [
      { names: [...new Set(names)], action: "SCMP_ACT_ALLOW" },
      ...sockets(),
      ...personalities.map((value) => allowWhere("personality", { index: 0, value, op: "SCMP_CMP_EQ" })),
      ...(held.has("CAP_SYS_ADMIN") ? [] : withoutNamespaces(processor)),
    ],
  };
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

function allowWhere(
  name: string,
  arg: { index: number; value: number; valueTwo?: number; op: string },
): SeccompRule {
  return { names: [name], action: "SCMP_ACT_ALLOW", args: [arg] };
}
