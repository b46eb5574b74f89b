import { lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../../core/index.ts";
import type { GitAccess } from "./access.ts";
import type { BareClone } from "./clone.ts";
import { type GitEnvironment, GitFailure, git } from "./command.ts";
import type { GitRepository } from "./repository.ts";
import { asking, type ResolvedRef } from "./resolve.ts";

/** Writes the files of a commit into the empty directory `target`; returns the directory that was asked for. */
export async function checkOut(
  repository: GitRepository,
  clone: BareClone,
  resolved: ResolvedRef,
  access: GitAccess,
  target: string,
): Promise<string> {
  const { subdir, submodules = true } = repository;
  const keep = repository.keepGitDir === true && subdir === "";
  const wantsSubmodules = submodules && (await hasSubmodules(clone));
  if (keep || wantsSubmodules) {
    await workingClone(clone, resolved, access, target);
    if (wantsSubmodules) await asking(access, () => updateSubmodules(access, target));
    if (!keep) removeGitDirectories(target);
  } else await filesAlone(clone, target);
  return subdirectory(target, subdir);
}

async function hasSubmodules({ ref, environment }: BareClone): Promise<boolean> {
  try {
    await git(["cat-file", "-e", `${ref}^{commit}:.gitmodules`], { ...environment, log: undefined });
    return true;
  } catch (error) {
    if (error instanceof GitFailure) return false;
    throw error;
  }
}

async function filesAlone({ ref, environment }: BareClone, target: string): Promise<void> {
  const indexFile = `${target}.index`;
  const here = { ...environment, workTree: target, indexFile };
  try {
    await git(["read-tree", `${ref}^{commit}`], here);
    await git(["checkout-index", "--all", "--force"], here);
  } finally {
    rmSync(indexFile, { force: true });
  }
}

/** A clone of one commit with a `.git` of its own. It comes through git's own protocol, which takes no file but objects. */
async function workingClone(
  clone: BareClone,
  { ref, object, commit }: ResolvedRef,
  access: GitAccess,
  target: string,
): Promise<void> {
  const gitDirectory = join(target, ".git");
  const { signal } = access.environment;
  const here: GitEnvironment = { signal, gitDirectory, workTree: target, protocols: ["file"] };
  const format = commit.length === 64 ? "sha256" : "sha1";
  mkdirSync(gitDirectory);
  await git(["init", "--quiet", "--template=", `--object-format=${format}`], here);
  const name = ref === object ? [] : [`+${clone.ref}:${ref}`];
  const wanted = name.length === 0 ? [clone.ref] : name;
  await git(
    ["fetch", "--quiet", "-u", "--depth=1", "--no-tags", `file://${clone.directory}`, ...wanted],
    here,
  );
  await git(["checkout", "--quiet", "--detach", commit], here);
  await git(["remote", "add", "--", "origin", access.url], here);
  await git(["reflog", "expire", "--all", "--expire=now"], here);
  rmSync(join(gitDirectory, "FETCH_HEAD"), { force: true });
}

async function updateSubmodules(access: GitAccess, target: string): Promise<void> {
  const here = { ...access.environment, workTree: target, gitDirectory: join(target, ".git") };
  const update = ["submodule", "update", "--init", "--recursive"];
  try {
    await git([...update, "--depth=1"], here);
  } catch (error) {
    const mendable =
      error instanceof GitFailure &&
      /shallow|depth|unadvertised|not our ref|did not contain/i.test(error.stderr);
    if (!mendable) throw error;
    await git(update, here);
  }
}

/** What is left of the clones would lead nowhere: `.git` at the top, and in each submodule. */
function removeGitDirectories(directory: string): void {
  rmSync(join(directory, ".git"), { recursive: true, force: true });
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    if (entry.isDirectory()) removeGitDirectories(join(directory, entry.name));
}

/** A directory below the checkout; symlinks on the way are not followed. */
function subdirectory(target: string, subdir: string): string {
  let path = target;
  for (const part of subdir.split("/").filter((one) => one !== "")) {
    path = join(path, part);
    const found = part === ".." ? undefined : lstatSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory()) continue;
    const reason = found === undefined ? "there is no such directory" : `${part} is no directory`;
    throw new BuildError(
      "not-found",
      `invalid subdir ${JSON.stringify(subdir)} of the repository: ${reason}`,
    );
  }
  return path;
}
