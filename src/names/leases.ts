import { randomBytes } from "node:crypto";
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError, namesIn } from "../core/index.ts";
import { tryFlock } from "../sys/index.ts";
import { lock } from "./locks.ts";

/** Something that garbage collection leaves alone while it is leased: `layer:<id>`, `blob:<hex>` or `cache:<hex>`. */
export type LeaseItem = `layer:${string}` | `blob:${string}` | `cache:${string}` | "begun";

/** Keeps things alive while one process works with them. It ends with `release`, or with the process. */
export interface Lease {
  /**
   * Begins the lease, if `hold` has not. What is made from now on is safe until the lease ends, even before
   * anything refers to it.
   */
  begin(): Promise<void>;
  /**
   * Adds items, then runs `check`, both while no garbage collection decides. What `check` still finds
   * stays until the lease ends. Returns what `check` returned.
   */
  hold<T>(items: readonly LeaseItem[], check: () => T): Promise<T>;
  release(): void;
}

/** What garbage collection must leave alone because a live process works with it. */
export interface Leased {
  readonly items: ReadonlySet<LeaseItem>;
  /**
   * When the oldest live lease began, in milliseconds since the epoch: what was made or touched since may belong to
   * its build. Infinity when no lease is alive.
   */
  readonly since: number;
}

/**
 * Opens a lease in the store at `root`. Nothing is written before the first `hold`. The lease is a file under an flock: a
 * lease whose flock can be taken belongs to a process that is dead.
 */
export function openLease(root: string): Lease {
  let open: { file: string; descriptor: number } | undefined;
  let ended = false;
  const held = new Set<LeaseItem>();
  const lease: Lease = {
    async begin() {
      await lease.hold(["begun"], () => undefined);
    },
    async hold(items, check) {
      if (ended) throw new BuildError("internal", "the lease has ended");
      const fresh = items.filter((item) => !held.has(item));
      if (fresh.length === 0) return check();
      const guard = await lock(gcLock(root), "shared");
      try {
        open ??= createLeaseFile(root);
        appendFileSync(open.descriptor, `${fresh.join("\n")}\n`);
        for (const item of fresh) held.add(item);
        return check();
      } finally {
        guard.release();
      }
    },
    release() {
      ended = true;
      if (open === undefined) return;
      rmSync(open.file, { force: true });
      closeSync(open.descriptor);
      open = undefined;
    },
  };
  return lease;
}

function createLeaseFile(root: string): { file: string; descriptor: number } {
  mkdirSync(join(root, "leases"), { recursive: true, mode: 0o700 });
  const file = join(root, "leases", randomBytes(16).toString("hex"));
  const descriptor = openSync(file, "ax", 0o600);
  if (!tryFlock(descriptor, "exclusive"))
    throw new BuildError("internal", `lease ${file} is locked by another process`);
  appendFileSync(descriptor, `${Date.now()}\n`);
  return { file, descriptor };
}

function gcLock(root: string): string {
  return join(root, "gc.lock");
}

/**
 * Runs `decide` with everything that live processes lease, while nobody can lease more: what is not in the set and not
 * named may be renamed away. Meant to last milliseconds; deleting comes after. Leases of dead processes are removed.
 */
export async function withLeases<T>(
  root: string,
  signal: AbortSignal | undefined,
  decide: (leased: Leased) => T,
): Promise<T> {
  const guard = await lock(gcLock(root), "exclusive", signal);
  try {
    return decide(liveItems(root));
  } finally {
    guard.release();
  }
}

function liveItems(root: string): Leased {
  const items = new Set<LeaseItem>();
  let since = Number.POSITIVE_INFINITY;
  for (const name of namesIn(join(root, "leases"))) {
    const file = join(root, "leases", name);
    let descriptor: number;
    try {
      descriptor = openSync(file, "r");
    } catch {
      continue; // released in between
    }
    try {
      if (tryFlock(descriptor, "exclusive")) {
        rmSync(file, { force: true }); // its owner may be ending it at this moment
        continue;
      }
      const [began = "", ...lines] = readFileSync(descriptor, "utf8").split("\n");
      // File times come from a coarser clock than Date.now.
      since = Math.min(since, Number(began) - 1000);
      for (const line of lines) if (line !== "" && line !== "begun") items.add(line as LeaseItem);
    } finally {
      closeSync(descriptor);
    }
  }
  return { items, since };
}
