import type { IdMap, Marks, Rung } from "../stacking/index.ts";
import type { TerminalSize } from "../sys/index.ts";
import type { CgroupMode } from "./host.ts";
import type { NetworkTool } from "./network.ts";
import type { OciHook } from "./oci-config.ts";
import type { OciRlimit } from "./rlimits.ts";
import type { SeccompProfile } from "./seccomp.ts";
import type { Mount, ProcessSpec } from "./types.ts";

/** What a root filesystem is made from; plain data, because it may have to be made inside a user namespace. */
export interface StackPlan {
  /** Directory that all paths of the start script are relative to. */
  readonly state: string;
  /** The step's own directory, and its name in `state`. */
  readonly path: string;
  readonly name: string;
  /** Layers of the root filesystem, topmost first, each once. */
  readonly lowers: readonly string[];
  readonly upper: string;
  /** Short relative paths of all layers. */
  readonly links: ReadonlyMap<string, string>;
  readonly rung: Rung;
  readonly marks: Marks;
  /** Path of fuse-overlayfs, on that rung. */
  readonly fuse: string | undefined;
}

/** A root filesystem for a program of the machine. */
export interface RootPlan extends StackPlan {
  /** The program that runs beside it, or the runtime; and its arguments. */
  readonly command: readonly string[];
}

/** Everything that a step's files are made from. */
export interface StepPlan extends RootPlan {
  readonly process: ProcessSpec;
  readonly mounts: readonly Mount[];
  readonly terminal: TerminalSize | undefined;
  /** What connects an isolated network. */
  readonly isolated: NetworkTool | undefined;
  /** Ids of the user namespace that the step runs in; undefined when it runs in that of the machine. */
  readonly ids: IdMap | undefined;
  readonly rlimits: readonly OciRlimit[];
  readonly cgroups: CgroupMode;
  readonly cgroupsPath: string | undefined;
  /** Whether the runtime has a child for a moment: crun with a terminal loses what short programs print. */
  readonly lingers: boolean;
  readonly hideUnifiedCgroup: boolean;
  readonly seccomp: SeccompProfile | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  readonly hooks: Readonly<Record<string, readonly OciHook[]>> | undefined;
  /** Whether anything of it may be on no disk: then what the runtime reads goes another way (see private-files.ts). */
  readonly isSecret: boolean;
}
