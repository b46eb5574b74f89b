import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError, digestOf, hexOf, shownUrl } from "../../core/index.ts";
import { lock } from "../../names/index.ts";
import type { GitAccess } from "./access.ts";
import { type GitEnvironment, GitFailure, git } from "./command.ts";
import { asking, type ResolvedRef } from "./resolve.ts";

/** The store's bare clone of a repository, locked for this process. */
export interface BareClone {
  readonly directory: string;
  /** Name in the clone for the object that was asked for. */
  readonly ref: string;
  readonly environment: GitEnvironment;
  release(): void;
}

/**
 * Brings an object into the bare clone that the store keeps of a remote: alone where the server gives it alone, else with
 * all that the remote has. Clones stay for the next build, which fetches only what is new, until they are pruned.
 */
export async function openClone(root: string, access: GitAccess, resolved: ResolvedRef): Promise<BareClone> {
  const parent = join(root, "remote", "git");
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  const format = resolved.object.length === 64 ? "sha256" : "sha1";
  const directory = join(parent, hexOf(digestOf(`${format} ${access.url}`)));
  const held = await lock(`${directory}.lock`, "exclusive", access.environment.signal);
  const environment: GitEnvironment = { ...access.environment, gitDirectory: directory };
  const ref = `refs/stagewright/${resolved.object}`;
  let isHeld = true;
  const release = () => {
    if (isHeld) held.release();
    isHeld = false;
  };
  const isNew = !existsSync(directory);
  try {
    if (isNew) await createClone(directory, format, access);
    else removeLeftovers(directory);
    if (!(await has(resolved.object, environment)))
      await asking(access, () => fetchObject(access, resolved, environment));
    await git(["update-ref", ref, resolved.object], environment);
    await checkCommit(access, resolved, environment);
    return { directory, ref, environment, release };
  } catch (error) {
    // Halves of a fetch may be large.
    if (isNew) rmSync(directory, { recursive: true, force: true });
    else removeLeftovers(directory);
    release();
    throw error;
  }
}

/** Appears whole, or not at all. */
async function createClone(directory: string, format: string, { environment }: GitAccess): Promise<void> {
  const started = `${directory}.new`;
  rmSync(started, { recursive: true, force: true });
  mkdirSync(started, { mode: 0o700 });
  const how = { ...environment, gitDirectory: started };
  await git(["init", "--quiet", "--bare", "--template=", `--object-format=${format}`], how);
  renameSync(started, directory);
}

/** What a git that was killed or has failed left: its locks, which would stop the next one, and halves of packs. */
function removeLeftovers(directory: string): void {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true }))
    if (entry.isFile() && (entry.name.endsWith(".lock") || entry.name.startsWith("tmp_")))
      rmSync(join(entry.parentPath, entry.name), { force: true });
}

/**
 * What a tag means is known from the server alone until the tag is here. Steps are keyed by the commit, whatever server it
 * came from: one that lies about it would put its files in the place of another's.
 */
async function checkCommit(
  { url }: GitAccess,
  { ref, object, commit }: ResolvedRef,
  environment: GitEnvironment,
): Promise<void> {
  if (object === commit) return;
  const found = (await git(["rev-parse", "--verify", `${object}^{commit}`], environment)).trim();
  if (found === commit) return;
  throw new BuildError(
    "data-loss",
    `${shownUrl(url)}: ${ref} is said to be commit ${commit}, but is ${found}`,
    { hint: "the server contradicts itself; do not trust it" },
  );
}

/** Whether an object is here, with all that a checkout of it needs. */
async function has(object: string, environment: GitEnvironment): Promise<boolean> {
  try {
    await git(["cat-file", "-e", `${object}^{tree}`], { ...environment, log: undefined });
    return true;
  } catch (error) {
    if (error instanceof GitFailure) return false;
    throw error;
  }
}

async function fetchObject(
  access: GitAccess,
  { ref, object }: ResolvedRef,
  environment: GitEnvironment,
): Promise<void> {
  const fetch = (...args: string[]) =>
    git(["fetch", "--no-tags", "--no-write-fetch-head", ...args], environment);
  const target = `+${object}:refs/stagewright/${object}`;
  const shallow = () => existsSync(join(environment.gitDirectory!, "shallow"));
  // By its id where the server allows that; then the name, which may have moved on; at last everything.
  const ways = [
    () => fetch("--depth=1", "--", access.url, target),
    ...(ref === object ? [] : [() => fetch("--depth=1", "--", access.url, `+${ref}:refs/fetched/one`)]),
    () =>
      fetch(
        ...(shallow() ? ["--unshallow"] : []),
        "--",
        access.url,
        "+refs/heads/*:refs/fetched/heads/*",
        "+refs/tags/*:refs/fetched/tags/*",
      ),
    ...(ref === object ? [] : [() => fetch("--", access.url, `+${ref}:refs/fetched/one`)]),
  ];
  let failure: unknown;
  for (const way of ways) {
    try {
      await way();
      if (await has(object, environment)) return;
    } catch (error) {
      if (!(error instanceof GitFailure) || isFinal(error.stderr)) throw error;
      failure = error;
    }
  }
  throw failure ?? new GitFailure("fetch", 1, `fatal: commit ${object} is not in the repository`);
}

/** Failures that another way to ask does not mend. */
function isFinal(stderr: string): boolean {
  return /could not read Username|Authentication failed|Could not resolve host|Failed to connect|Connection refused|unable to access|Permission denied|Host key verification/i.test(
    stderr,
  );
}
