import { readFileSync } from "node:fs";
import { BuildError } from "../core/index.ts";
import { capabilities, hasCapability } from "../stacking/index.ts";
import type { ProcessSpec } from "./types.ts";

export interface OciRlimit {
  readonly type: string;
  readonly soft: number;
  readonly hard: number;
}

/** Docker's names of limits, and the kernel's in /proc/self/limits. */
const limitNames: Readonly<Record<string, string>> = {
  core: "core file size",
  cpu: "cpu time",
  data: "data size",
  fsize: "file size",
  locks: "file locks",
  memlock: "locked memory",
  msgqueue: "msgqueue size",
  nice: "nice priority",
  nofile: "open files",
  nproc: "processes",
  rss: "resident set",
  rtprio: "realtime priority",
  rttime: "realtime timeout",
  sigpending: "pending signals",
  stack: "stack size",
};

/**
 * Limits as the runtime takes them. Without CAP_SYS_RESOURCE a hard limit cannot be raised: it stays what it is, and
 * `warn` is told. -1 means no limit.
 */
export function rlimits(ulimits: ProcessSpec["ulimits"], warn: (message: string) => void): OciRlimit[] {
  if (ulimits === undefined || ulimits.length === 0) return [];
  const mayRaise = hasCapability(capabilities.sysResource);
  return ulimits.map(({ name, soft, hard }) => {
    if (limitNames[name] === undefined)
      throw new BuildError("invalid-argument", `unknown ulimit ${JSON.stringify(name)}`, {
        hint: `one of ${Object.keys(limitNames).join(", ")}`,
      });
    const type = `RLIMIT_${name.toUpperCase()}`;
    const cap = mayRaise ? Number.POSITIVE_INFINITY : currentHard(limitNames[name]);
    if (unlimited(hard) <= cap) return { type, soft: encode(soft), hard: encode(hard) };
    warn(`ulimit ${name} stays at ${cap}: raising it to ${hard} needs CAP_SYS_RESOURCE`);
    return { type, soft: Math.min(unlimited(soft), cap), hard: cap };
  });
}

function unlimited(value: number): number {
  return value < 0 ? Number.POSITIVE_INFINITY : value;
}

/** No limit is the largest 64-bit number, which a double cannot hold; the runtimes take -1 for it. */
function encode(value: number): number {
  return value < 0 ? -1 : value;
}

function currentHard(label: string): number {
  const text = readFileSync("/proc/self/limits", "latin1");
  const line = text.split("\n").find((candidate) => candidate.toLowerCase().startsWith(`max ${label}`));
  const hard = line?.slice(26).trim().split(/\s+/)[1];
  return hard === undefined || hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard);
}
