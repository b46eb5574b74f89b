import { mountedMark } from "./chain.ts";

/** A root filesystem to mount before the runtime starts; paths are relative to the state directory. */
export type RootfsMount =
  | { readonly kind: "overlay"; readonly options: string; readonly target: string }
  | { readonly kind: "fuse"; readonly program: string; readonly options: string; readonly target: string }
  | { readonly kind: "bind"; readonly source: string; readonly target: string };

export interface StartScript {
  readonly mounts: readonly RootfsMount[];
  /** Lines that run before the runtime starts, after the mounts. */
  readonly before?: readonly string[];
  /** The runtime and its arguments. */
  readonly command: readonly string[];
  /**
   * Keeps the shell as the first process of the chain, for scripts that leave programs running beside the runtime: as the
   * first process, the runtime would wait for the end of those.
   */
  readonly staysFirst?: boolean;
  /** Gives the runtime a child of its own for a moment. */
  readonly lingers?: boolean;
  /** Makes crun accept a machine whose control groups are half v1, half v2. */
  readonly hideUnifiedCgroup: boolean;
}

/** What a chain's shell runs for one step: mounts, then becomes the runtime. */
export function startScript({
  mounts,
  before = [],
  command,
  staysFirst = false,
  lingers = false,
  hideUnifiedCgroup,
}: StartScript): string {
  const steps = mounts.map(mountCommand);
  if (hideUnifiedCgroup)
    steps.unshift(["mount", "--bind", "/dev/null", "/sys/fs/cgroup/unified/cgroup.controllers"]);
  return [
    ...steps.map((step) => `${step.map(quote).join(" ")} || exit 125`),
    ...before,
    `echo ${mountedMark.trim()} >&2`,
    ...runtimeLines(command, staysFirst || mounts.some(({ kind }) => kind === "fuse"), lingers),
    "",
  ].join("\n");
}

/**
 * crun waits for every child that it has: where a program serves the root filesystem, the shell stays its parent, and the
 * kernel ends it with the shell.
 */
function runtimeLines(command: readonly string[], staysFirst: boolean, lingers: boolean): string[] {
  const run = `exec ${command.map(quote).join(" ")} >&3 2>&4 3>&- 4>&-`;
  const lines = lingers ? [lingering, run] : [run];
  return staysFirst ? ["(", ...lines, ")", "exit $?"] : lines;
}

/**
 * A child of crun that outlives short programs. When its last child is gone before crun begins to copy what is written to the
 * terminal, it ends, and all of that is lost.
 */
const lingering = "sleep 0.3 </dev/null >/dev/null 2>&1 3>&- 4>&- &";

function mountCommand(mount: RootfsMount): string[] {
  switch (mount.kind) {
    case "overlay":
      return ["mount", "-t", "overlay", "-o", mount.options, "overlay", mount.target];
    case "fuse":
      return [mount.program, "-o", mount.options, mount.target];
    case "bind":
      return ["mount", "--bind", mount.source, mount.target];
  }
}

/** A word as the shell takes it literally. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
