/** What is wanted of a repository, as an LLB source describes it. */
export interface GitRepository {
  /** May hold credentials. */
  readonly remote: string;
  /** Branch, tag, commit, or any ref below `refs/`; empty is the default branch. */
  readonly ref: string;
  readonly subdir: string;
  /** How the commit's id begins. */
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  readonly submodules?: boolean;
  /** Times of files; the commit's when left out. */
  readonly mtime?: "commit" | "checkout";
  /** The checksum is the commit; the ref is only its name. */
  readonly fetchByCommit?: boolean;
  /** Names of secrets, and of an ssh agent. */
  readonly authHeaderSecret?: string;
  readonly authTokenSecret?: string;
  readonly sshAgent?: string;
  /** Content of a file of known hosts. */
  readonly knownHosts?: string;
}
