import { existsSync, readdirSync } from "node:fs";
import { bytePathOf } from "../core/index.ts";
import {
  cloneTree,
  readStamps,
  restamp,
  type Stamps,
  stampsFile,
  takeStamps,
  writeStamps,
} from "../stacking/index.ts";
import { createMountPoints, createWorkingDirectory, type MountPoint } from "./mount-points.ts";
import type { MarkReader } from "./rootfs-lookup.ts";
import type { StackPlan } from "./step-plan.ts";
import type { ProcessUser } from "./users.ts";

/** One whole tree hides nothing. */
const plainTree: MarkReader = { isOpaque: () => false, isHidden: () => false };

interface CloneNeeds {
  readonly cwd: string;
  readonly user: ProcessUser;
  readonly points: readonly MountPoint[];
}

/**
 * Makes the upper directory a copy of the root filesystem that the step may change, and notes what was there: all but the
 * working directory counts as unchanged, mount points too. One that was filled for an earlier start stays as it is.
 */
export function layOutClone(plan: StackPlan, { cwd, user, points }: CloneNeeds): void {
  const { upper } = plan;
  const stamps = fillClone(plan);
  createWorkingDirectory(upper, [upper], cwd, user, plainTree);
  const { made, touched } = createMountPoints(upper, [upper], points, plainTree);
  for (const path of made) restamp(stamps, upper, bytePathOf(path));
  for (const path of touched) if (stamps.has(bytePathOf(path))) restamp(stamps, upper, bytePathOf(path));
  writeStamps(upper, stamps);
}

/** Copies the root filesystem into the upper directory, unless an earlier start did. */
export function fillClone({ upper, lowers }: StackPlan): Stamps {
  if (existsSync(stampsFile(upper))) return readStamps(upper);
  const [tree] = lowers;
  if (tree !== undefined && readdirSync(upper).length === 0) cloneTree(tree, upper);
  const stamps = takeStamps(upper);
  writeStamps(upper, stamps);
  return stamps;
}
