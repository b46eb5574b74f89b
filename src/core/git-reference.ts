import { posix } from "node:path";
import { BuildError } from "./errors.ts";
import { percentDecoded } from "./url.ts";

/** A git repository with what is wanted of it, as `ADD` and build contexts name it. */
export interface GitReference {
  /** What git is given: no fragment, no query. May hold credentials: show `shownUrl` of it. */
  readonly remote: string;
  readonly scheme: "http" | "https" | "ssh" | "git";
  readonly host: string;
  /** Path at the host, decoded. */
  readonly path: string;
  /** Branch, tag or commit; empty is the default branch. */
  readonly ref: string;
  /** Directory inside the repository; empty is all of it. */
  readonly subdir: string;
  /** Commit that it has to be, or how that begins; may be empty. */
  readonly checksum: string;
  readonly keepGitDir?: boolean;
  readonly submodules?: boolean;
  /** Times of files: that of the commit, or of the checkout. */
  readonly mtime?: "commit" | "checkout";
  readonly fetchByCommit?: boolean;
}

/** `user@host:path`, with query and fragment; the same characters that BuildKit allows. */
const scpForm = /^([a-zA-Z0-9_-]+)@([a-zA-Z0-9.-]+):(.*?)(?:\?(.*?))?(?:#(.*))?$/s;
const urlForm = /^([a-z0-9]+):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/is;

/**
 * Reads a git reference; `undefined` for what is none, such as a path, or the http URL of something else: over http, only
 * what ends in `.git` is a repository. Throws `invalid-argument` for a repository with a query that says nothing.
 *
 * @param options.bare whether `github.com/user/name` counts too, as it does for build contexts
 */
export function parseGitReference(
  text: string,
  options: { readonly bare?: boolean } = {},
): GitReference | undefined {
  const given = options.bare && text.startsWith("github.com/") ? `https://${text}` : text;
  const located = locate(given);
  if (located === undefined) return undefined;
  const { query, fragment, ...place } = located;
  if (given === text && /^https?$/.test(place.scheme) && !place.path.endsWith(".git")) return undefined;
  const colon = fragment.indexOf(":");
  const [ref, directory] = colon < 0 ? [fragment, ""] : [fragment.slice(0, colon), fragment.slice(colon + 1)];
  const subdir = posix.join("/", directory).replace(/^\/|\/$/g, "");
  return withQuery({ ...place, ref, subdir, checksum: "" }, query);
}

type Place = Pick<GitReference, "remote" | "scheme" | "host" | "path">;

function locate(text: string): (Place & { query: string; fragment: string }) | undefined {
  if (text.startsWith("./") || text.startsWith("../")) return undefined;
  const url = urlForm.exec(text);
  if (url !== null) {
    const scheme = url[1]!.toLowerCase();
    if (scheme !== "http" && scheme !== "https" && scheme !== "ssh" && scheme !== "git") return undefined;
    const [authority, path] = [url[2]!, url[3]!];
    const host = authority.slice(authority.lastIndexOf("@") + 1);
    const remote = `${scheme}://${authority}${path}`;
    const [query, fragment] = [url[4] ?? "", percentDecoded(url[5] ?? "")];
    return { remote, scheme, host, path: percentDecoded(path), query, fragment };
  }
  if (/^[a-z0-9]+:\/\//i.test(text)) return undefined;
  const scp = scpForm.exec(text);
  if (scp === null) return undefined;
  const [, user, host, path, query, fragment] = scp;
  return {
    remote: `${user}@${host}:${path}`,
    scheme: "ssh",
    host: host!,
    path: path!,
    query: query ?? "",
    fragment: fragment ?? "",
  };
}

function withQuery(base: GitReference, query: string): GitReference {
  const values = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(query)) {
    if (values.has(key)) throw invalid(`query ${JSON.stringify(key)} has multiple values`);
    if (value === "" && !flags.has(key)) throw invalid(`query ${JSON.stringify(key)} has no value`);
    values.set(key, value);
  }
  let found = base;
  for (const [key, value] of values) found = { ...found, ...readQuery(found, key, value) };
  const [tag, branch] = [values.get("tag"), values.get("branch")];
  if (tag !== undefined && branch !== undefined) throw invalid("branch conflicts with tag");
  if (tag !== undefined) return { ...found, ref: same("ref", found.ref, below("refs/tags/", tag)) };
  if (branch !== undefined) return { ...found, ref: same("ref", found.ref, below("refs/heads/", branch)) };
  return found;
}

const flags: ReadonlySet<string> = new Set(["submodules", "keep-git-dir", "fetch-by-commit"]);

function readQuery(found: GitReference, key: string, value: string): Partial<GitReference> {
  switch (key) {
    case "ref":
      return { ref: same("ref", found.ref, value) };
    case "subdir":
      return { subdir: same("subdir", found.subdir, value) };
    case "checksum":
    case "commit":
      return { checksum: value };
    case "keep-git-dir":
      return { keepGitDir: flag(key, value) };
    case "submodules":
      return { submodules: flag(key, value) };
    case "fetch-by-commit":
      return { fetchByCommit: flag(key, value) };
    case "mtime":
      if (value === "checkout" || value === "commit") return { mtime: value };
      throw invalid(`invalid mtime value: ${JSON.stringify(value)} (must be "checkout" or "commit")`);
    case "tag":
    case "branch":
      return {};
    default:
      throw invalid(`unexpected query ${JSON.stringify(key)}`);
  }
}

/** The words for yes and no that Go's `strconv.ParseBool` takes. */
function flag(key: string, value: string): boolean {
  if (/^(1|t|T|TRUE|true|True|)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw invalid(`invalid ${key} value: ${JSON.stringify(value)}`);
}

function same(what: string, before: string, now: string): string {
  if (before === "" || before === now) return now;
  throw invalid(`${what} conflicts: ${JSON.stringify(before)} vs ${JSON.stringify(now)}`);
}

function below(prefix: string, name: string): string {
  return name.startsWith(prefix) ? name : prefix + name;
}

function invalid(message: string): BuildError {
  return new BuildError("invalid-argument", message, {
    hint: "a git reference is URL.git#REF:DIRECTORY, or URL.git?ref=…&subdir=…&checksum=…",
  });
}

/** Whether this is a whole commit id, of SHA-1 or SHA-256. */
export function isCommitId(text: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}
