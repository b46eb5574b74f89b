import { chmodSync, chownSync, lstatSync, type Stats, utimesSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../core/index.ts";
import { makeDirectory, writePlainFile } from "./plain-files.ts";
import { type OpaqueTest, resolveInLowers } from "./rootfs-lookup.ts";

/** A path that something will be mounted on. */
export interface MountPoint {
  /** Absolute path inside the root filesystem. */
  readonly target: string;
  readonly type: "directory" | "file";
}

/** What every step has mounted, whatever the image is. */
export const systemMountPoints: readonly MountPoint[] = [
  { target: "/proc", type: "directory" },
  { target: "/dev", type: "directory" },
  { target: "/sys", type: "directory" },
  { target: "/etc/resolv.conf", type: "file" },
  { target: "/etc/hosts", type: "file" },
];

/**
 * Makes a layer directory that holds the mount points which the root filesystem (`lowers`, topmost first) lacks. It
 * becomes the topmost lower of the overlay: the runtime finds every mount point there already, so none of them
 * ever reaches the upper directory. Directories that do exist keep their owner, mode and time.
 */
export function createMountPoints(
  directory: string,
  lowers: readonly string[],
  points: readonly MountPoint[],
  isOpaque: OpaqueTest,
): void {
  const copied: { path: string; stats: Stats }[] = [];
  for (const point of points) {
    const { components, found } = resolveInLowers(lowers, point.target, isOpaque);
    if (components.length === 0) continue;
    if (found !== undefined) {
      if (found.stats.isDirectory() !== (point.type === "directory")) throw wrongType(point);
      continue;
    }
    makeParents(directory, components, lowers, isOpaque, copied, point);
    const path = join(directory, ...components);
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    if (point.type === "directory") makeDirectory(path);
    else writePlainFile(path, "");
  }
  // Last, because making a child changes the time.
  for (const { path, stats } of copied) {
    const seconds = Math.floor(stats.mtimeMs / 1000);
    utimesSync(path, seconds, seconds);
  }
}

function makeParents(
  directory: string,
  components: readonly string[],
  lowers: readonly string[],
  isOpaque: OpaqueTest,
  copied: { path: string; stats: Stats }[],
  point: MountPoint,
): void {
  for (let depth = 1; depth < components.length; depth++) {
    const path = join(directory, ...components.slice(0, depth));
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    makeDirectory(path);
    const { found } = resolveInLowers(lowers, components.slice(0, depth).join("/"), isOpaque);
    if (found === undefined) continue;
    if (!found.stats.isDirectory()) throw wrongType(point);
    chownSync(path, found.stats.uid, found.stats.gid);
    chmodSync(path, found.stats.mode & 0o7777);
    copied.push({ path, stats: found.stats });
  }
}

function wrongType(point: MountPoint): BuildError {
  return new BuildError("failed-precondition", `cannot mount on ${point.target}`, {
    hint: `it, or a directory above it, exists in the root filesystem and is not a ${point.type === "file" ? "regular file" : "directory"}`,
  });
}

/**
 * Makes a working directory that the root filesystem lacks, in the upper directory: it becomes part of the layer,
 * owned by the process's user, as BuildKit has it.
 */
export function createWorkingDirectory(
  upper: string,
  lowers: readonly string[],
  cwd: string,
  owner: { readonly uid: number; readonly gid: number },
  isOpaque: OpaqueTest,
): void {
  const { components, found } = resolveInLowers(lowers, cwd, isOpaque);
  if (components.length === 0 || found?.stats.isDirectory()) return;
  if (found !== undefined)
    throw new BuildError("failed-precondition", `the working directory ${cwd} exists and is not a directory`);
  for (let depth = 1; depth <= components.length; depth++) {
    const path = join(upper, ...components.slice(0, depth));
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    const existing = resolveInLowers(lowers, components.slice(0, depth).join("/"), isOpaque).found?.stats;
    if (existing !== undefined && !existing.isDirectory())
      throw new BuildError("failed-precondition", `cannot create the working directory ${cwd}`, {
        hint: `/${components.slice(0, depth).join("/")} exists and is not a directory`,
      });
    makeDirectory(path);
    chownSync(path, existing?.uid ?? owner.uid, existing?.gid ?? owner.gid);
    if (existing !== undefined) chmodSync(path, existing.mode & 0o7777);
  }
}
