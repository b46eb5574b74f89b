/** What is done with whole directories inside the user namespace (or, for root, in a worker thread). */
import { spawnSync } from "node:child_process";
import { BuildError, serveTasks } from "../core/index.ts";
import { cloneTree } from "./clone.ts";
import { type Gift, give } from "./gift.ts";
import type { IdMap } from "./id-map.ts";
import { rename } from "./rename.ts";
import { toolPath } from "./tools.ts";

export const treeTasks = {
  move({ from, to }: { from: string; to: string }): boolean {
    return rename(from, to);
  },
  /** By a program: names need not be text. */
  remove({ path }: { path: string }): void {
    const { status, stderr, error } = spawnSync("rm", ["-rf", "--", path], {
      env: { PATH: toolPath() },
      encoding: "utf8",
    });
    if (status !== 0)
      throw new BuildError("internal", `cannot remove ${path}: ${error?.message ?? stderr.trim()}`);
  },
  clone({ from, to }: { from: string; to: string }): void {
    cloneTree(from, to);
  },
  give({ gifts, ids }: { gifts: readonly Gift[]; ids: IdMap }): void {
    give(gifts, ids);
  },
};

serveTasks(treeTasks);
