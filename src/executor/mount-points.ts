import { chmodSync, chownSync, lstatSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../core/index.ts";
import { makeDirectory, writePlainFile } from "./plain-files.ts";
import { type MarkReader, resolveInLowers } from "./rootfs-lookup.ts";

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

/** What `createMountPoints` did, as paths relative to its directory. */
export interface MadeMountPoints {
  readonly made: readonly string[];
  /** Directories that were there and got an entry; their modification times are as before. */
  readonly touched: readonly string[];
}

/**
 * Makes the mount points which the root filesystem (`lowers`, topmost first) lacks, in a layer directory that becomes the
 * topmost lower of the overlay: the runtime finds every mount point there already, so none of them
 * ever reaches the upper directory. Directories that do exist keep their owner, mode and time.
 */
export function createMountPoints(
  directory: string,
  lowers: readonly string[],
  points: readonly MountPoint[],
  reader: MarkReader,
): MadeMountPoints {
  const made: string[] = [];
  const times = new Map<string, number>();
  const maker = { directory, lowers, reader, made, times };
  for (const point of points) {
    const { components, found } = resolveInLowers(lowers, point.target, reader);
    if (components.length === 0) continue;
    if (found !== undefined) {
      if (found.stats.isDirectory() !== (point.type === "directory")) throw wrongType(point);
      continue;
    }
    makeParents(maker, components, point);
    const path = join(directory, ...components);
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    keepTime(maker, components.slice(0, -1));
    made.push(components.join("/"));
    if (point.type === "directory") makeDirectory(path);
    else writePlainFile(path, "");
  }
  // Last, because making a child changes the time.
  for (const [path, seconds] of times) utimesSync(join(directory, path), seconds, seconds);
  return { made, touched: [...times.keys()].filter((path) => !made.includes(path)) };
}

interface Maker {
  readonly directory: string;
  readonly lowers: readonly string[];
  readonly reader: MarkReader;
  readonly made: string[];
  /** Modification times, in seconds, that directories are to have in the end. */
  readonly times: Map<string, number>;
}

function makeParents(maker: Maker, components: readonly string[], point: MountPoint): void {
  const { directory, lowers, reader, made, times } = maker;
  for (let depth = 1; depth < components.length; depth++) {
    const parts = components.slice(0, depth);
    const path = join(directory, ...parts);
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    keepTime(maker, parts.slice(0, -1));
    makeDirectory(path);
    made.push(parts.join("/"));
    const { found } = resolveInLowers(lowers, parts.join("/"), reader);
    if (found === undefined || found.hostPath === path) continue;
    if (!found.stats.isDirectory()) throw wrongType(point);
    chownSync(path, found.stats.uid, found.stats.gid);
    chmodSync(path, found.stats.mode & 0o7777);
    times.set(parts.join("/"), Math.floor(found.stats.mtimeMs / 1000));
  }
}

/** A directory that is there already has its time back when something was made in it. */
function keepTime({ directory, made, times }: Maker, components: readonly string[]): void {
  const path = components.join("/");
  if (times.has(path) || made.includes(path)) return;
  times.set(path, Math.floor(lstatSync(join(directory, path)).mtimeMs / 1000));
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
  reader: MarkReader,
): void {
  const { components, found } = resolveInLowers(lowers, cwd, reader);
  if (components.length === 0 || found?.stats.isDirectory()) return;
  if (found !== undefined)
    throw new BuildError("failed-precondition", `the working directory ${cwd} exists and is not a directory`);
  for (let depth = 1; depth <= components.length; depth++) {
    const path = join(upper, ...components.slice(0, depth));
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    const existing = resolveInLowers(lowers, components.slice(0, depth).join("/"), reader).found?.stats;
    if (existing !== undefined && !existing.isDirectory())
      throw new BuildError("failed-precondition", `cannot create the working directory ${cwd}`, {
        hint: `/${components.slice(0, depth).join("/")} exists and is not a directory`,
      });
    makeDirectory(path);
    chownSync(path, existing?.uid ?? owner.uid, existing?.gid ?? owner.gid);
    if (existing !== undefined) chmodSync(path, existing.mode & 0o7777);
  }
}
