import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { workMount, writableDirectories } from "./peers.ts";

/** What this program and all it starts see, apart from the host; the kernel takes it away when they end. */

const marker = "STAGEWRIGHT_PRIVATE_MOUNTS";

/**
 * Makes sure that this program runs in a mount namespace of its own: when it does not, runs it again in one and
 * exits with its status. Call it first; it returns only inside. With `network`, it has no network but its own
 * loopback, which is down.
 */
export function enterPrivateMounts(options: { readonly network?: boolean } = {}): void {
  if (process.env[marker] === "1") return;
  const network = options.network ? ["--net"] : [];
  const self = [...process.execArgv, ...process.argv.slice(1)];
  const result = spawnSync(
    "setpriv",
    [
      "--pdeathsig",
      "KILL",
      "unshare",
      "--mount",
      "--propagation",
      "private",
      ...network,
      process.execPath,
      ...self,
    ],
    { stdio: "inherit", env: { ...process.env, [marker]: "1" } },
  );
  if (result.error) throw result.error;
  process.exit(result.status ?? 1);
}

/**
 * Mounts what programs in `root` need, and returns the work directory, which they see as /work: empty, and in memory,
 * as is everything else that they may write. Mounts and content are gone when this process is.
 */
export function mountPeers(root: string): string {
  const mount = (...args: string[]) => execFileSync("mount", args);
  mount("--bind", root, root);
  mount("-o", "remount,bind,ro", root);
  mount("-t", "proc", "proc", join(root, "proc"));
  for (const tree of ["sys", "dev"]) mount("--rbind", `/${tree}`, join(root, tree));
  const work = join(root, workMount);
  for (const directory of [...writableDirectories.map((path) => join(root, path)), work])
    mount("-t", "tmpfs", "tmpfs", directory);
  return work;
}
