import { BuildError } from "../core/index.ts";
import { cgroupMode, requireRoot, requireUpperSupport, seccompAvailable } from "./host.ts";
import { detectRuntime, detectTools } from "./runtime.ts";

/** One thing that RUN needs. `check` says in words what is there, or throws what is missing and what to do. */
export interface Diagnosis {
  readonly subject: string;
  check(): Promise<string>;
}

/** Everything that RUN needs, for `doctor`. `directory` is on the filesystem of the store. */
export function diagnose(directory: string): readonly Diagnosis[] {
  return [
    {
      subject: "privileges",
      async check() {
        requireRoot();
        return "root, with the right to mount";
      },
    },
    {
      subject: "runtime",
      async check() {
        const { kind, version, path } = await detectRuntime();
        return `${kind} ${version} (${path})`;
      },
    },
    {
      subject: "programs",
      async check() {
        return Object.values(detectTools()).join(", ");
      },
    },
    {
      subject: "overlayfs",
      async check() {
        requireUpperSupport(directory);
        return "the store's filesystem can hold what RUN writes";
      },
    },
    {
      subject: "seccomp",
      async check() {
        if (!seccompAvailable())
          throw new BuildError("failed-precondition", "the kernel has no seccomp filters");
        return "filters are enforced";
      },
    },
    {
      subject: "cgroups",
      async check() {
        const { kind } = await detectRuntime();
        const mode = cgroupMode(kind);
        return mode === "none" ? "not usable: steps run without a group of their own" : mode;
      },
    },
  ];
}
