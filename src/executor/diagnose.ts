import { accessSync, constants } from "node:fs";
import { BuildError, toBuildError } from "../core/index.ts";
import {
  isPrivileged,
  type Namespace,
  openNeededNamespace,
  type Stacking,
  stackingOf,
} from "../stacking/index.ts";
import { cgroupMode, seccompAvailable } from "./host.ts";
import { describeNetworkTool } from "./network.ts";
import { detectRuntime, detectTools } from "./runtime.ts";

/** What was found; a note is something that works less well than it could. */
export interface Finding {
  readonly text: string;
  readonly isNote?: true;
}

/** One thing that RUN needs. `check` says in words what is there, or throws what is missing and what to do. */
export interface Diagnosis {
  readonly subject: string;
  check(): Promise<Finding>;
}

/** Everything that RUN needs, for `doctor`. `directory` is on the filesystem of the store. */
export function diagnose(directory: string): readonly Diagnosis[] {
  return [
    { subject: "privileges", check: async () => privileges(await openNeededNamespace()) },
    {
      subject: "runtime",
      async check() {
        const { kind, version, path } = await detectRuntime();
        return { text: `${kind} ${version} (${path})` };
      },
    },
    { subject: "programs", check: async () => ({ text: Object.values(detectTools()).join(", ") }) },
    { subject: "stacking", check: () => stackedIn(directory) },
    {
      subject: "seccomp",
      async check() {
        if (!seccompAvailable())
          throw new BuildError("failed-precondition", "the kernel has no seccomp filters");
        return { text: "filters are enforced" };
      },
    },
    { subject: "network", check: async () => networked() },
    {
      subject: "cgroups",
      async check() {
        const mode = isPrivileged() ? cgroupMode((await detectRuntime()).kind) : "none";
        return mode === "none"
          ? { isNote: true, text: "not usable: steps run without a group of their own, and without limits" }
          : { text: mode };
      },
    },
  ];
}

/** RUN works without: it shares the machine's network. */
function networked(): Finding {
  try {
    return describeNetworkTool();
  } catch (error) {
    const { message, hint } = toBuildError(error);
    return {
      isNote: true,
      text: `no published ports (run -p), no network of a step's own: ${message} (${hint})`,
    };
  }
}

function privileges(namespace: Namespace | undefined): Finding {
  if (namespace === undefined) return { text: "root, with the right to mount" };
  const { kind, uids, instead } = namespace.ids;
  const count = uids.reduce((sum, range) => sum + range.count, 0);
  if (kind !== "single") return { text: `a user namespace with ${count} ids (${kind})` };
  const why = instead ?? "no subordinate ids in /etc/subuid and /etc/subgid, or no newuidmap and newgidmap";
  return {
    isNote: true,
    text: `a user namespace with one id: steps can only be root, and cannot give files away (${why})`,
  };
}

async function stackedIn(directory: string): Promise<Finding> {
  try {
    accessSync(directory, constants.W_OK);
  } catch {
    return { isNote: true, text: `not tried: ${directory} cannot be written to` };
  }
  return stacked(await stackingOf(directory));
}

/** Which rung of the ladder, and what is the matter with the better ones. */
function stacked({ rung, passed }: Stacking): Finding {
  const words = {
    overlay: "overlay: layers are mounted by the kernel",
    "fuse-overlayfs": "fuse-overlayfs: layers are mounted by a program, which is slow",
    clone: "clone: every step gets a copy of its root filesystem",
  };
  if (passed.length === 0) return { text: words[rung] };
  const reasons = passed.map((step) => `not ${step.rung}: ${step.why}`);
  return { isNote: true, text: `${words[rung]} (${reasons.join("; ")})` };
}
