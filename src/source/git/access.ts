import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { BuildError, basicAuthorization } from "../../core/index.ts";
import type { RemoteStores, RemoteWork } from "../remote.ts";
import type { GitEnvironment } from "./command.ts";
import type { GitRepository } from "./repository.ts";

/** What git is given to reach a repository, and how that is taken back. */
export interface GitAccess {
  /** The remote without credentials: what is shown, and what is written down in clones. */
  readonly url: string;
  readonly environment: GitEnvironment;
  close(): void;
}

/** Takes credentials out of the URL and from the caller's secrets; they reach git as a header for that URL alone. */
export async function openAccess(
  repository: GitRepository,
  stores: RemoteStores,
  work: RemoteWork,
): Promise<GitAccess> {
  const { url, login } = withoutLogin(repository.remote);
  const header = login ?? (await secretHeader(repository, url, work));
  const scope = login === undefined ? tokenScope(url) : new URL(url).origin;
  const base: GitEnvironment = {
    signal: work.signal,
    log: work.log,
    ...(header !== undefined && {
      // git sends the header to whatever host a redirect leads to.
      config: [
        [`http.${scope}.extraheader`, `Authorization: ${header}`],
        ["http.followRedirects", "false"],
      ],
    }),
  };
  if (!isSsh(url)) return { url, environment: base, close: () => undefined };
  return sshAccess(repository, url, base, stores, work);
}

/** An http URL's user and password as a header. The user of an ssh URL is no secret, and stays. */
function withoutLogin(remote: string): { url: string; login?: string } {
  const [, start, login, rest] = /^(https?:\/\/)([^/?#]*)@(.*)$/s.exec(remote) ?? [];
  const url = start === undefined ? remote : `${start}${rest}`;
  if (/^https?:/.test(url) && URL.parse(url) === null)
    throw new BuildError("invalid-argument", `${url} is no URL of a git repository`);
  if (start === undefined) return { url };
  const [user = "", ...password] = login!.split(":");
  return { url, login: basicAuthorization(user, password.join(":")) };
}

function isSsh(url: string): boolean {
  return url.startsWith("ssh://") || !url.includes("://");
}

/** The secrets that BuildKit looks for, that of the host before the one for all. */
async function secretHeader(
  { authHeaderSecret, authTokenSecret }: GitRepository,
  url: string,
  work: RemoteWork,
): Promise<string | undefined> {
  if (!/^https?:/.test(url)) return undefined;
  const { host } = new URL(url);
  for (const suffix of [`.${host}`, ""]) {
    const header = authHeaderSecret && (await work.secret(authHeaderSecret + suffix));
    if (header) return header.toString().trim();
    const token = authTokenSecret && (await work.secret(authTokenSecret + suffix));
    if (token) {
      const pair = `x-access-token:${token.toString().trim()}`;
      return `basic ${Buffer.from(pair).toString("base64")}`;
    }
  }
  return undefined;
}

/** A token is for the repository alone; at GitHub it is for the submodules there, too, as in BuildKit. */
function tokenScope(url: string): string {
  return /^https:\/\/(www\.)?github\.com\//.exec(url)?.[0] ?? url;
}

async function sshAccess(
  { sshAgent = "default", knownHosts }: GitRepository,
  url: string,
  base: GitEnvironment,
  stores: RemoteStores,
  work: RemoteWork,
): Promise<GitAccess> {
  const agent = await work.sshAgent(sshAgent);
  if (agent === undefined)
    throw new BuildError(
      "failed-precondition",
      `no SSH key ${JSON.stringify(sshAgent)} forwarded from the client`,
      {
        hint: `lend the build an ssh agent with --ssh ${sshAgent}`,
      },
    );
  const given = knownHosts === undefined ? undefined : stores.content.temporary();
  if (given !== undefined) writeFileSync(given, knownHosts!, { mode: 0o600 });
  return {
    url,
    environment: { ...base, ssh: sshCommand(stores.root, given), sshAgent: agent.socket },
    close() {
      agent.close();
      if (given !== undefined) rmSync(given, { force: true });
    },
  };
}

/**
 * ssh without the user's configuration. Hosts are checked against the user's known hosts and those that this store has met:
 * a new one is accepted, one that has changed is not.
 */
function sshCommand(root: string, given: string | undefined): string {
  mkdirSync(join(root, "remote"), { recursive: true, mode: 0o700 });
  const users = join(homedir(), ".ssh", "known_hosts");
  const met = [join(root, "remote", "known_hosts"), ...(existsSync(users) ? [users] : [])];
  const files = (given === undefined ? met : [given]).map((file) => `\\"${file}\\"`).join(" ");
  const options = [
    "BatchMode=yes",
    "ConnectTimeout=30",
    "ServerAliveInterval=15",
    `StrictHostKeyChecking=${given === undefined ? "accept-new" : "yes"}`,
  ];
  return `ssh -F /dev/null ${options.map((option) => `-o ${option}`).join(" ")} -o "UserKnownHostsFile=${files}"`;
}
