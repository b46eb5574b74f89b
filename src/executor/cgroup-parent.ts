import { posix } from "node:path";
import { BuildError } from "../core/index.ts";
import type { CgroupMode } from "./host.ts";
import { type StateDir, stepsCgroup } from "./state-dir.ts";

/**
 * The control group that a step's own is made in, from the hierarchies' roots: `stagewright`, alone or below the one that was
 * asked for. Throws where a step can have none, and for systemd's form, which needs its help.
 */
export function cgroupParentOf(
  asked: string | undefined,
  host: { readonly cgroups: CgroupMode; readonly state: StateDir },
): string {
  if (asked === undefined || asked === "") return stepsCgroup;
  if (asked.endsWith(":"))
    throw new BuildError(
      "unimplemented",
      `cgroup parent ${JSON.stringify(asked)}: systemd is not asked for groups`,
      {
        hint: "give the path of a control group, such as /builds",
      },
    );
  if (host.cgroups === "none")
    throw new BuildError(
      "failed-precondition",
      `cgroup parent ${JSON.stringify(asked)}: a step can have no control group here`,
      {
        hint: "/sys/fs/cgroup is missing or cannot be written",
      },
    );
  const parent = posix.join("/", asked, stepsCgroup);
  host.state.noteCgroupParent(parent);
  return parent;
}
