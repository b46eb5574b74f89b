import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { type BytePath, fsPath, nameOf, parentOf } from "../core/index.ts";

/** Decides whether a name matches a pattern of one path component. */
export type MatchName = (pattern: BytePath, name: BytePath) => boolean;

/**
 * Include patterns for the paths that a build names: each with the targets of the symlinks on its way, inside `root`, as
 * fsutil's FollowLinks finds them. `undefined`: one of them is the root, so everything is included.
 */
export function followLinks(
  root: BytePath,
  paths: readonly BytePath[],
  matchName: MatchName,
): BytePath[] | undefined {
  const resolved = new Set<BytePath>();
  for (const path of paths) follow({ root, resolved, matchName }, path);
  const sorted = [...resolved].sort();
  if (sorted.includes("")) return undefined;
  return sorted.filter((path) => !sorted.some((other) => path.startsWith(`${other}/`)));
}

interface Resolver {
  readonly root: BytePath;
  readonly resolved: Set<BytePath>;
  readonly matchName: MatchName;
}

function follow(resolver: Resolver, path: BytePath): void {
  let current = "";
  const parts = clean(path);
  if (parts.length === 0) resolver.resolved.add("");
  for (let i = 0; i < parts.length; i++) {
    current = current === "" ? parts[i]! : `${current}/${parts[i]}`;
    const rest = parts.slice(i + 1).join("/");
    const targets = targetsOf(resolver, current);
    if ((rest === "" || targets.length > 0) && resolver.resolved.has(current)) return;
    if (rest === "" || targets.length > 0) resolver.resolved.add(current);
    for (const target of targets) follow(resolver, `${target}/${rest}`);
    if (targets.length > 0) return;
  }
}

/** Targets of the symlinks that `path` is, or that its last component matches. */
function targetsOf({ root, matchName }: Resolver, path: BytePath): BytePath[] {
  const parent = parentOf(path);
  const name = nameOf(path);
  if (!/[*?[\\]/.test(name)) return linkAt(root, parent, name);
  return namesIn(`${root}/${parent}`)
    .filter((candidate) => matchName(name, candidate))
    .flatMap((candidate) => linkAt(root, parent, candidate));
}

function linkAt(root: BytePath, parent: BytePath, name: BytePath): BytePath[] {
  const path = fsPath(`${root}/${parent}/${name}`);
  try {
    if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return [];
    const target = readlinkSync(path, { encoding: "latin1" });
    return [target.startsWith("/") ? target : `${parent}/${target}`];
  } catch {
    return [];
  }
}

function namesIn(directory: BytePath): BytePath[] {
  try {
    return readdirSync(fsPath(directory), { encoding: "latin1" });
  } catch {
    return [];
  }
}

function clean(path: BytePath): BytePath[] {
  const parts: BytePath[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts;
}
