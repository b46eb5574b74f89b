import { closeSync, fstatSync, mkdirSync, openSync, statSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { defined } from "../core/index.ts";
import { tryFlock } from "../sys/index.ts";

/** A lock that this process holds until `release`, or until it dies. */
export interface HeldLock {
  readonly file: string;
  readonly descriptor: number;
  release(): void;
}

/**
 * Takes the flock on `file` if it is free now. The file is created when missing and removed on release, so that locks of
 * past builds do not pile up; a lock counts only while its path still leads to the locked file.
 */
export function tryLock(file: string, mode: "shared" | "exclusive" = "exclusive"): HeldLock | undefined {
  for (;;) {
    const descriptor = openLockFile(file);
    if (!tryFlock(descriptor, mode)) {
      closeSync(descriptor);
      return undefined;
    }
    if (isStill(file, descriptor))
      return { file, descriptor, release: () => release(file, descriptor, mode) };
    closeSync(descriptor);
  }
}

/** As tryLock, but waits for the present holder; throws the signal's reason when it aborts first. */
export async function lock(
  file: string,
  mode: "shared" | "exclusive" = "exclusive",
  signal?: AbortSignal,
): Promise<HeldLock> {
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    signal?.throwIfAborted();
    const held = tryLock(file, mode);
    if (held !== undefined) return held;
    await sleep(pause, undefined, defined({ signal }));
  }
}

function openLockFile(file: string): number {
  try {
    return openSync(file, "a+", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    return openSync(file, "a+", 0o600);
  }
}

function isStill(file: string, descriptor: number): boolean {
  const open = fstatSync(descriptor);
  const named = statSync(file, { throwIfNoEntry: false });
  return named !== undefined && named.ino === open.ino && named.dev === open.dev;
}

function release(file: string, descriptor: number, mode: "shared" | "exclusive"): void {
  // Removing the file while it is locked exclusively is safe: whoever waits on the old file finds that the path
  // leads elsewhere and opens it anew. A shared lock has company, so its file stays.
  if (mode === "exclusive") {
    try {
      unlinkSync(file);
    } catch {
      // Gone already, or a store that became read-only: the lock itself is released either way.
    }
  }
  closeSync(descriptor);
}
