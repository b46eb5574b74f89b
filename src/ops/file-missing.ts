import {
  BuildError,
  type BytePath,
  bytePathOf,
  createIgnoreMatcher,
  goText,
  joinPath,
  nameOf,
  nearest,
  parentOf,
  textOf,
} from "../core/index.ts";
import type { CopyAction } from "../llb/index.ts";
import { hasWildcards, type LocalTree } from "../source/index.ts";
import type { FileInput } from "./file-inputs.ts";
import { cleanPath, loopIn, resolvePath, shown, type Tree } from "./file-tree.ts";

/** What a copy throws when its source does not exist; in BuildKit's words, because users know them. */
export function missingSource(source: BytePath): BuildError {
  return new BuildError("not-found", `${goText.quote(shown(source))}: not found`);
}

/**
 * The same error with the reason, when it says that a source does not exist: excluded by which line of .dockerignore, or
 * what there is instead. One that leads nowhere because of its symlinks is named.
 */
export function withExplanation(
  error: unknown,
  action: CopyAction,
  input: FileInput | undefined,
  from: Tree,
): unknown {
  if (!(error instanceof BuildError)) return error;
  const named = [action.src, ...action.requiredPaths].map((path) => cleanPath(bytePathOf(path)));
  const where = input?.name ?? "an earlier action";
  const looping = loopIn(error);
  if (looping !== undefined)
    return new BuildError(error.code, `failed to calculate checksum of ref ${where}: too many links`, {
      hint: `${looping} leads through a symlink back to itself`,
    });
  const source =
    named.find((path) => error.message === missingSource(path).message) ?? matchedLink(error, from);
  if (source === undefined) return error;
  const exclude = input?.kind === "local" ? input.exclude : undefined;
  const missing = missingIn(source, where, from, exclude);
  // With patterns, BuildKit sums up what they leave, and finds out when it copies; a symlink it does follow at once.
  const late = action.excludePatterns.length > 0 && source === named[0] && !hasWildcards(source);
  if (!late || linkTarget(source, from) !== undefined) return missing;
  return new BuildError(missing.code, notThere(resolvePath(from, source, { last: "follow" })), {
    hint: missing.hint,
  });
}

/** The symlink to nowhere that a wildcard matched, when that is what a copy failed for. */
function matchedLink({ message }: BuildError, from: Tree): BytePath | undefined {
  const path = /^"\/(.+)": not found$/s.exec(message)?.[1];
  return path !== undefined && linkTarget(bytePathOf(path), from) !== undefined
    ? bytePathOf(path)
    : undefined;
}

/** Where the symlink of that name points. */
function linkTarget(path: BytePath, from: Tree): string | undefined {
  const real = joinPath(resolvePath(from, parentOf(path), { last: "follow" }), nameOf(path));
  const node = from.lookup(real);
  return node?.type === "symlink" ? node.link : undefined;
}

/** That `source` is not in the tree called `where`, in BuildKit's words, with the reason. */
export function missingIn(
  source: BytePath,
  where: string,
  from: Tree,
  exclude: LocalTree["exclude"] | undefined,
): BuildError {
  const parts = source.split("/");
  const directories = parts.slice(0, parts.findIndex(hasWildcards)).join("/");
  const message = hasWildcards(source)
    ? notThere(directories)
    : `failed to calculate checksum of ref ${where}: ${missingSource(source).message}`;
  return new BuildError("not-found", message, { hint: hintFor(source, from, exclude) });
}

function notThere(path: BytePath): string {
  return `lstat ${shown(path)}: no such file or directory`;
}

function hintFor(source: string, from: Tree, exclude: LocalTree["exclude"] | undefined): string | undefined {
  const excluded = exclude && exclusionOf(source, exclude);
  if (excluded !== undefined) return excluded;
  const target = linkTarget(source, from);
  if (target !== undefined) return `${shown(source)} is a symlink to ${textOf(target)}, which is not there`;
  const near = nearestPath(source, from);
  if (near !== undefined) return `did you mean ${textOf(near)}?`;
  const parent = existingParent(source, from);
  if (parent === "") return undefined;
  return `${shown(parent)} is there, but ${textOf(source.slice(parent.length + 1))} is not in it`;
}

/** Which line of an ignore file leaves a path out. */
function exclusionOf(source: BytePath, exclude: LocalTree["exclude"]): string | undefined {
  const rule = createIgnoreMatcher(exclude).explain(textOf(source));
  if (rule === undefined) return undefined;
  const line = rule.line === undefined ? "" : `line ${rule.line} of `;
  return `it is excluded by ${line}${"name" in exclude ? exclude.name : "the exclude patterns"}: ${rule.exception ? "!" : ""}${rule.pattern}`;
}

/** A path that differs from `source` by little: a name in the same directory, or the same name elsewhere near. */
function nearestPath(source: string, from: Tree): string | undefined {
  const parts = source.split("/");
  let path = "";
  for (const part of parts) {
    const real = resolvePath(from, path, { last: "follow" });
    const names = from.list(real).map((entry) => entry.name);
    const name = names.includes(part) ? part : nearest(part, names);
    if (name === undefined) return elsewhere(source, from);
    path = joinPath(path, name);
  }
  return path;
}

const searchLimit = 5000;

/** The only path with the same name in another directory, if the tree is small enough to look. */
function elsewhere(source: string, from: Tree): string | undefined {
  const wanted = nameOf(source);
  const found: string[] = [];
  const directories = [""];
  let looked = 0;
  for (let next = directories.shift(); next !== undefined; next = directories.shift())
    for (const { name, node } of from.list(next)) {
      if (++looked > searchLimit) return undefined;
      if (name === wanted) found.push(joinPath(next, name));
      if (node.type === "directory") directories.push(joinPath(next, name));
    }
  return found.length === 1 ? found[0] : undefined;
}

function existingParent(source: string, from: Tree): string {
  let path = parentOf(source);
  while (path !== "" && from.lookup(resolvePath(from, path, { last: "follow" })) === undefined)
    path = parentOf(path);
  return hasWildcards(path) ? "" : path;
}
