import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { type Namespace, removeTreeLater, toolPath } from "../stacking/index.ts";
import { tryFlock } from "../sys/index.ts";
import { makeDirectory } from "./plain-files.ts";

/**
 * What one process that runs steps keeps on disk, below `<stateDir>/<id>/`. Its `lock` is held for as long as the
 * process lives, so whoever can take that lock knows that the owner is dead.
 */
export interface StateDir {
  readonly id: string;
  readonly path: string;
  /** Directory that outlives processes: compiled seccomp programs. */
  readonly shared: string;
  /** A new directory for one step or upper. */
  create(kind: "step" | "upper"): { readonly name: string; readonly path: string };
  /**
   * A short relative path that leads to a layer's directory: the options of an overlay mount must fit into one page. One
   * link per layer, shared by all steps.
   */
  link(layer: string): string;
  /** Notes another parent of control groups, to be swept when this process died. */
  noteCgroupParent(parent: string): void;
  /** Removes a step's directory, unless it holds an upper directory of its own: then it is left for the trash. */
  removeStep(this: void, path: string): void;
  close(): void;
}

const idPattern = /^[0-9a-f]{12}$/;
const sharedName = "shared";
const parentsFile = "cgroup-parents";

/** Opens a state directory of this process's own. `stateDir` is created when missing. */
export function openStateDir(stateDir: string, namespace?: Namespace): StateDir {
  const shared = join(stateDir, sharedName);
  mkdirSync(shared, { recursive: true, mode: 0o700 });
  const { id, path, lock } = claim(stateDir);
  const links = new Map<string, string>();
  let count = 0;
  mkdirSync(join(path, "l"));
  return {
    id,
    path,
    shared,
    create(kind) {
      const name = `${kind === "step" ? "s" : "u"}${count++}`;
      return { name, path: makeDirectory(join(path, name)) };
    },
    link(layer) {
      let name = links.get(layer);
      if (name === undefined) {
        name = `l/${links.size.toString(36)}`;
        symlinkSync(layer, join(path, name));
        links.set(layer, name);
      }
      return name;
    },
    noteCgroupParent: (parent) => appendFileSync(join(path, parentsFile), `${parent}\n`),
    removeStep: (path) => removeStep(path, namespace),
    close() {
      discard(stateDir, id, namespace);
      closeSync(lock);
    },
  };
}

/** A sweep can take a directory between its making and its locking, so what was locked must still be there. */
function claim(stateDir: string): { id: string; path: string; lock: number } {
  for (;;) {
    const id = randomBytes(6).toString("hex");
    const path = join(stateDir, id);
    mkdirSync(path, { mode: 0o700 });
    const lock = openLock(path);
    if (lock === undefined) continue;
    if (tryFlock(lock, "exclusive") && leadsTo(path, lock)) return { id, path, lock };
    closeSync(lock);
  }
}

function openLock(path: string): number | undefined {
  try {
    return openSync(join(path, "lock"), "a", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function leadsTo(path: string, lock: number): boolean {
  return statSync(join(path, "lock"), { throwIfNoEntry: false })?.ino === fstatSync(lock).ino;
}

/**
 * Removes what processes that died left below `stateDir`. Their steps died with them; what is left are files and
 * control groups. Safe while other processes run steps there. Never throws for what it cannot remove:
 * the next sweep tries again.
 */
export function sweep(stateDir: string, namespace?: Namespace): void {
  for (const id of entriesOf(stateDir)) {
    if (!idPattern.test(id)) continue;
    const lock = openLock(join(stateDir, id));
    if (lock === undefined) continue;
    try {
      if (tryFlock(lock, "exclusive")) discard(stateDir, id, namespace);
    } catch {
      // Tried again at the next sweep.
    } finally {
      closeSync(lock);
    }
  }
}

/**
 * Removes a state directory. What processes wrote can be a big tree, which takes seconds to delete: it is renamed into
 * the store's trash, and deleted by a process that nobody waits for. What that leaves, prune removes.
 */
function discard(stateDir: string, id: string, namespace: Namespace | undefined): void {
  const path = join(stateDir, id);
  for (const parent of [stepsCgroup, ...notedParents(path)]) removeCgroups(id, parent);
  for (const name of entriesOf(path)) if (name.startsWith("s")) removeStep(join(path, name), namespace);
  if (entriesOf(path).some((name) => /^[su]/.test(name))) {
    const trash = join(stateDir, "..", "trash");
    mkdirSync(trash, { recursive: true, mode: 0o700 });
    const moved = join(trash, `run-${id}`);
    renameSync(path, moved);
    if (namespace === undefined) deleteInBackground(moved);
    else removeTreeLater(namespace, moved);
  } else rmSync(path, { recursive: true, force: true });
}

function deleteInBackground(path: string): void {
  const child = spawn("rm", ["-rf", path], {
    stdio: "ignore",
    detached: true,
    env: { PATH: toolPath() },
    cwd: "/",
  });
  child.on("error", () => {});
  child.unref();
}

function removeStep(path: string, namespace: Namespace | undefined): void {
  if (entriesOf(path).some((name) => /^(u|o\d+)$/.test(name))) return;
  if (namespace !== undefined) {
    removeTreeLater(namespace, path);
    return;
  }
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // Left for the trash, too.
  }
}

/** Parent of the control groups of all steps, below each hierarchy's root. */
export const stepsCgroup = "/stagewright";

/** Name of a step for the runtime and in the control groups. */
export function containerId(stateId: string, step: string): string {
  return `stagewright-${stateId}-${step}`;
}

/** Control groups of a killed process's steps: empty directories, in every hierarchy. */
function removeCgroups(stateId: string, cgroupParent: string): void {
  const prefix = containerId(stateId, "");
  for (const hierarchy of ["", ...entriesOf("/sys/fs/cgroup")]) {
    const parent = join("/sys/fs/cgroup", hierarchy, cgroupParent);
    for (const name of entriesOf(parent)) if (name.startsWith(prefix)) removeCgroup(join(parent, name));
    // Only in the usual place it is worth keeping for the next step.
    if (cgroupParent !== stepsCgroup && entriesOf(parent).length > 0) removeIfUnused(parent);
  }
}

function notedParents(path: string): Set<string> {
  try {
    return new Set(readFileSync(join(path, parentsFile), "utf8").split("\n").filter(Boolean));
  } catch {
    return new Set();
  }
}

/** Fails, as it should, while a control group has others in it. */
function removeIfUnused(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Another process's steps are there.
  }
}

function removeCgroup(path: string): void {
  try {
    for (const name of readdirSync(path, { withFileTypes: true }))
      if (name.isDirectory()) removeCgroup(join(path, name.name));
    rmdirSync(path);
  } catch {
    // Busy until its last process is reaped; harmless, and tried again at the next sweep.
  }
}

function entriesOf(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
