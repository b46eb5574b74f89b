import { BuildError, foreignText, isCommitId, shownUrl } from "../../core/index.ts";
import type { GitAccess } from "./access.ts";
import { GitFailure, git } from "./command.ts";
import type { GitRepository } from "./repository.ts";

/** What a reference means now. */
export interface ResolvedRef {
  /** Full name (`refs/heads/main`), or a commit id. */
  readonly ref: string;
  /** What the name points to: a commit, or the object of an annotated tag. */
  readonly object: string;
  /** The commit. */
  readonly commit: string;
}

/** Asks the remote what a name means; a whole commit id means itself, without asking. */
export async function resolveRef(repository: GitRepository, access: GitAccess): Promise<ResolvedRef> {
  const { ref, checksum = "" } = repository;
  if (ref.startsWith("-")) throw new BuildError("invalid-argument", `invalid git ref ${JSON.stringify(ref)}`);
  if (isCommitId(ref)) return checked({ ref, object: ref, commit: ref }, checksum);
  if (repository.fetchByCommit) return byCommit(ref, checksum);
  const name = ref === "" ? await defaultBranch(access) : ref;
  const listing = await asking(access, () =>
    git(["ls-remote", "--", access.url, name, `${name}^{}`], access.environment),
  );
  return checked(chosen(name, listing, access), checksum);
}

function byCommit(ref: string, checksum: string): ResolvedRef {
  if (!isCommitId(checksum))
    throw new BuildError("invalid-argument", "fetch-by-commit requires a checksum that is a whole commit id");
  const full = ref === "" ? checksum : ref.startsWith("refs/") ? ref : `refs/heads/${ref}`;
  return { ref: full, object: checksum, commit: checksum };
}

async function defaultBranch(access: GitAccess): Promise<string> {
  const listing = await asking(access, () =>
    git(["ls-remote", "--symref", "--", access.url, "HEAD"], access.environment),
  );
  const branch = /refs\/heads\/\S+/.exec(listing)?.[0];
  if (branch !== undefined) return branch;
  throw new BuildError("not-found", `could not find default branch for repository: ${shownUrl(access.url)}`, {
    hint: "is the repository empty? Name a branch, tag or commit after #",
  });
}

/** Of a branch and a tag of one name the branch counts, as for `git checkout`. */
function chosen(name: string, listing: string, access: GitAccess): ResolvedRef {
  const objects = new Map(listing.split("\n").map((line) => line.split("\t").reverse() as [string, string]));
  const below = (prefix: string) => `${prefix}${name.startsWith(prefix) ? name.slice(prefix.length) : name}`;
  for (const ref of [below("refs/"), below("refs/heads/"), below("refs/tags/")]) {
    const object = objects.get(ref);
    if (object === undefined) continue;
    if (!isCommitId(object))
      throw new BuildError(
        "data-loss",
        `${shownUrl(access.url)}: invalid commit sha ${JSON.stringify(object)}`,
      );
    return { ref, object, commit: objects.get(`${ref}^{}`) ?? object };
  }
  throw new BuildError("not-found", `${shownUrl(access.url)}: repository does not contain ref ${name}`, {
    hint: /^[0-9a-f]{4,39}$/.test(name)
      ? "give the whole commit id, or a branch or tag"
      : "check the name after #",
  });
}

function checked(resolved: ResolvedRef, checksum: string): ResolvedRef {
  const { object, commit } = resolved;
  if (!/^[0-9a-fA-F]*$/.test(checksum))
    throw new BuildError(
      "invalid-argument",
      `invalid checksum ${checksum} for Git URL, expected hex commit hash`,
    );
  const wanted = checksum.toLowerCase();
  if (object.startsWith(wanted) || commit.startsWith(wanted)) return resolved;
  const found = object === commit ? commit : `${object} or ${commit}`;
  throw new BuildError("failed-precondition", `expected checksum to match ${checksum}, got ${found}`, {
    hint: "the ref has moved, or it is not the commit that was meant",
  });
}

/** Runs something that talks to the remote; what git says becomes the error. */
export async function asking<T>(access: GitAccess, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    const said = error.stderr.trim();
    const secret =
      /could not read (Username|Password)|Authentication failed|HTTP 40[13]|Permission denied/i.test(said);
    const line =
      said.split("\n").findLast((one) => /^(fatal|error|ssh):/.test(one)) ?? said.split("\n").at(-1);
    throw new BuildError(
      secret ? "unauthenticated" : /not found/i.test(said) ? "not-found" : "unavailable",
      `failed to fetch remote ${shownUrl(access.url)}: ${foreignText(line || error.message)}`,
      {
        hint: /returned error: 30\d/.test(said)
          ? "the server leads elsewhere, where credentials are not sent: name the URL that it leads to"
          : secret
            ? "give a token with --secret id=GIT_AUTH_TOKEN, or an agent with --ssh default"
            : "check the URL and the network",
        cause: error,
      },
    );
  }
}
