import { posix } from "node:path";

/** Lexically shortest form of a path, without a trailing slash; empty is `.`. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}

/** Joins and cleans; empty parts fall away. */
export function joinPath(...parts: readonly string[]): string {
  return cleanPath(posix.join(...parts));
}

/**
 * A path below `parent` unless it is absolute. An absolute one stays as it is written, not cleaned, as BuildKit has
 * it. With `keepSlash` a trailing `/` or `/.` survives, which tells COPY that a directory is meant.
 */
export function absolutePath(parent: string, path: string, keepSlash: boolean): string {
  const base = parent.startsWith("/") ? parent : joinPath("/", parent);
  const chosen = path === "" ? base : path;
  const result = chosen.startsWith("/") ? chosen : joinPath(base, chosen);
  return keepSlash ? withSlashOf(path, result) : result;
}

/** Cleans an absolute path, keeping what `absolutePath` keeps. */
export function cleanKeepingSlash(path: string): string {
  return withSlashOf(path, cleanPath(path));
}

function withSlashOf(original: string, path: string): string {
  if (original.endsWith("/")) return path.endsWith("/") ? path : `${path}/`;
  if (original.endsWith("/.")) return path === "/" ? "/." : `${path}/.`;
  return path;
}
