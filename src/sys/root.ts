import { libc, systemError } from "./libc.ts";

/**
 * chroot(2), for the whole process and for good: from now on no path leads out of `directory`, whatever links are
 * in it. Needs CAP_SYS_CHROOT. Files that are open stay open.
 */
export function enterRoot(directory: string): void {
  const chroot = libc().libc.func("int chroot(const char*)") as (path: string) => number;
  if (chroot(directory) !== 0) throw systemError("chroot", directory);
  process.chdir("/");
}
