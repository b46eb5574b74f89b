import { mountedMark } from "./chain.ts";

/** An overlay to mount before the runtime starts; paths are relative to the state directory. */
export interface OverlayMount {
  readonly options: string;
  readonly target: string;
}

export interface StartScript {
  readonly mounts: readonly OverlayMount[];
  /** Lines that run before the runtime starts, after the mounts. */
  readonly before?: readonly string[];
  /** The runtime and its arguments. */
  readonly command: readonly string[];
  /** Makes crun accept a machine whose control groups are half v1, half v2. */
  readonly hideUnifiedCgroup: boolean;
}

/** What a chain's shell runs for one step: mounts, then becomes the runtime. */
export function startScript({ mounts, before = [], command, hideUnifiedCgroup }: StartScript): string {
  const steps = mounts.map(({ options, target }) => [
    "mount",
    "-t",
    "overlay",
    "-o",
    options,
    "overlay",
    target,
  ]);
  if (hideUnifiedCgroup)
    steps.unshift(["mount", "--bind", "/dev/null", "/sys/fs/cgroup/unified/cgroup.controllers"]);
  return [
    ...steps.map((step) => `${step.map(quote).join(" ")} || exit 125`),
    ...before,
    `echo ${mountedMark.trim()} >&2`,
    `exec ${command.map(quote).join(" ")} >&3 2>&4 3>&- 4>&-`,
    "",
  ].join("\n");
}

/** A word as the shell takes it literally. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
