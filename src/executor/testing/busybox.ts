import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findTool } from "../runtime.ts";

/** Why steps cannot run here, for the `skip` of a test; false where they can. */
export function cannotRunSteps(): string | false {
  if (process.geteuid?.() !== 0) return "needs root";
  if (findTool("busybox") === undefined) return "needs busybox-static";
  return false;
}

/** As cannotRunSteps, for one runtime. */
export function cannotRunWith(runtime: string): string | false {
  return cannotRunSteps() || (findTool(runtime) === undefined ? `needs ${runtime}` : false);
}

/**
 * A temporary directory on a tmpfs where there is one. (Creating files soon after many were deleted is slow on
 * some filesystems.)
 */
export function temporaryDirectory(): string {
  for (const parent of ["/dev/shm", tmpdir()])
    try {
      return mkdtempSync(join(parent, "stagewright-test-"));
    } catch {
      // The next one.
    }
  throw new Error("no temporary directory");
}

/** `rmSync` ends silently at a file that another process, a step that is being cleaned up, removes meanwhile. */
export function remove(directory: string): void {
  for (let attempt = 0; attempt < 100 && existsSync(directory); attempt++)
    rmSync(directory, { recursive: true, force: true });
}

/** A small root filesystem as a layer directory: busybox with all its names, users, a shared /tmp. */
export function busyboxLayer(directory: string): string {
  const busybox = findTool("busybox")!;
  for (const name of ["", "bin", "etc", "root", "home", "home/joe"])
    mkdirSync(join(directory, name), { recursive: true, mode: 0o755 });
  mkdirSync(join(directory, "tmp"));
  chmodSync(join(directory, "tmp"), 0o1777);
  copyFileSync(busybox, join(directory, "bin/busybox"));
  const applets = spawnSync(busybox, ["--list"], { encoding: "utf8" }).stdout.split("\n");
  for (const applet of applets)
    if (applet !== "" && applet !== "busybox") symlinkSync("busybox", join(directory, "bin", applet));
  writeFileSync(
    join(directory, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\njoe:x:1000:1001:Joe:/home/joe:/bin/sh\n",
  );
  writeFileSync(
    join(directory, "etc/group"),
    "root:x:0:\njoe:x:1001:\nstaff:x:50:joe,root\naudio:x:29:joe\n",
  );
  return directory;
}
