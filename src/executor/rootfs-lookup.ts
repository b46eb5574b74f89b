import { existsSync, lstatSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { BuildError } from "../core/index.ts";
import type { Marks } from "../stacking/index.ts";
import { getXattr } from "../sys/index.ts";

/** Reads what layer directories say of the layers below them. */
export interface MarkReader {
  /** Whether a directory hides what the layers below have of it. */
  isOpaque(directory: string): boolean;
  /** Whether a name that is not there is hidden in the layers below. `parent` ends in a slash. */
  isHidden(parent: string, name: string): boolean;
}

/** Where a path ends up inside a stack of overlay-format directories. */
export interface ResolvedPath {
  /** Components without symbolic links; joined by `/` they name the place inside the root. */
  readonly components: readonly string[];
  /** The file on the host, with its metadata, or undefined where there is nothing. */
  readonly found: { readonly hostPath: string; readonly stats: Stats } | undefined;
}

/** Reads the marks of one way of stacking. */
export function markReader(marks: Marks): MarkReader {
  if (marks === "files")
    return {
      isOpaque: (directory) => existsSync(`${directory}/.wh..wh..opq`),
      isHidden: (parent, name) => existsSync(`${parent}.wh.${name}`),
    };
  const attribute = `${marks}.overlay.opaque`;
  return {
    isOpaque: (directory) => getXattr(directory, attribute)?.toString() === "y",
    isHidden: () => false,
  };
}

const largestLink = 255;
const largestUserFile = 10 * 1024 * 1024;

/**
 * Resolves a path in the union of `lowers` (topmost first) as the kernel would inside a chroot: symbolic links are
 * followed in every component, `..` stops at the root, and what does not exist keeps its name. No
 * component is ever resolved by the host's kernel, so a link cannot lead out.
 */
export function resolveInLowers(lowers: readonly string[], path: string, reader: MarkReader): ResolvedPath {
  const pending = split(path);
  const components: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const name = pending.shift()!;
    if (name === "..") {
      components.pop();
      continue;
    }
    const next = lookup(lowers, [...components, name], reader);
    if (next?.stats.isSymbolicLink()) {
      if (++links > largestLink)
        throw new BuildError("invalid-argument", `${path}: too many levels of symbolic links`);
      const target = readlinkSync(next.hostPath);
      if (target.startsWith("/")) components.length = 0;
      pending.unshift(...split(target));
      continue;
    }
    components.push(name);
  }
  const found = components.length === 0 ? undefined : lookup(lowers, components, reader);
  return { components, found };
}

/** Reads a small regular file of the union as text; `""` when there is none. */
export function readInLowers(lowers: readonly string[], path: string, reader: MarkReader): string {
  const { found } = resolveInLowers(lowers, path, reader);
  if (found === undefined || !found.stats.isFile()) return "";
  if (found.stats.size > largestUserFile)
    throw new BuildError("resource-exhausted", `${path} in the root filesystem is larger than 10 MiB`);
  return readFileSync(found.hostPath, "utf8");
}

function split(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** The topmost entry of a path without links. */
function lookup(
  lowers: readonly string[],
  components: readonly string[],
  reader: MarkReader,
): ResolvedPath["found"] {
  for (const lower of lowers) {
    const entry = inLayer(lower, components, reader);
    if (entry === "hidden") return undefined;
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** What one layer says of a path: it is here, it is hidden from here down, or nothing. */
function inLayer(
  lower: string,
  components: readonly string[],
  reader: MarkReader,
): NonNullable<ResolvedPath["found"]> | "hidden" | undefined {
  let hostPath = lower;
  let hidesBelow = false;
  for (const [index, name] of components.entries()) {
    hostPath += `/${name}`;
    const stats = lstatSync(hostPath, { throwIfNoEntry: false });
    if (stats === undefined)
      return hidesBelow || reader.isHidden(hostPath.slice(0, -name.length), name) ? "hidden" : undefined;
    if (isWhiteout(stats)) return "hidden";
    if (index === components.length - 1) return { hostPath, stats };
    if (!stats.isDirectory()) return "hidden";
    hidesBelow ||= reader.isOpaque(hostPath);
  }
  return undefined;
}

/** overlayfs marks a deleted name by a character device 0/0. */
function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}
