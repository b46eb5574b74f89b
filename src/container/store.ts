import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, namesIn, nearest, replaceFile } from "../core/index.ts";
import { type HeldLock, lock, tryLock } from "../names/index.ts";
import { randomName } from "./random-name.ts";
import type { Container, ContainerState } from "./types.ts";

/**
 * The containers of a store, a directory each below `containers/`: what it is, how far it has come, what it wrote, its
 * log. While a container runs, the process that runs it holds the flock of its directory: a container that is said to run
 * and whose flock is free was left by a process that was killed.
 */
export interface ContainerStore {
  /** Newest first. */
  list(): readonly Container[];
  /** By name, id, or the beginning of an id. Throws `not-found`. */
  find(text: string): Container;
  /** Keeps a new container; without a name it gets a random one. Throws `already-exists` for a name that is taken. */
  create(
    container: Omit<Container, "id" | "name" | "created"> & { readonly name?: string },
  ): Promise<Container>;
  state(container: Container): ContainerState;
  setState(container: Container, state: ContainerState): void;
  /** Says that this process runs the container now, until released. Throws `failed-precondition` when another does. */
  occupy(container: Container): Promise<HeldLock>;
  /** The same, or undefined when another does, or it is gone. */
  tryOccupy(container: Container): HeldLock | undefined;
  /** Whether a living process runs it. */
  isOccupied(container: Container): boolean;
  /** Path of something of the container's: what it wrote (`upper`), its `log`. */
  path(container: Container, part: "upper" | "log" | "hostname"): string;
  /** Forgets it and deletes what it wrote. The container must not run. */
  remove(container: Container): Promise<void>;
}

const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
/** Of a killed process's program, as if by SIGKILL: it died with its supervisor. */
const killedCode = 137;
const occupyAttempts = 50;
const occupyPauseMs = 10;

/** Opens the containers of the store at `root`. Touches nothing. */
export function openContainers(root: string): ContainerStore {
  const base = join(root, "containers");
  const directory = ({ id }: { readonly id: string }): string => join(base, id);
  const lockOf = (container: Container): string => join(directory(container), "lock");

  const readState = (container: Container): ContainerState =>
    readJson<ContainerState>(join(directory(container), "state.json")) ?? { status: "created" };

  const store: ContainerStore = {
    list: () =>
      namesIn(base)
        .filter((name) => /^[0-9a-f]{64}$/.test(name))
        .flatMap((id) => readJson<Container>(join(base, id, "config.json")) ?? [])
        .sort((a, b) => b.created - a.created),
    find(text) {
      const all = store.list();
      const wanted = text.replace(/^\//, "");
      const exact = all.find(({ id, name }) => name === wanted || id === wanted);
      if (exact !== undefined) return exact;
      const [found, another] = /^[0-9a-f]+$/.test(wanted)
        ? all.filter(({ id }) => id.startsWith(wanted))
        : [];
      if (another !== undefined)
        throw new BuildError("invalid-argument", `multiple IDs found with provided prefix: ${text}`, {
          hint: "give more of the id",
        });
      if (found === undefined) throw noSuchContainer(text, all);
      return found;
    },
    async create(draft) {
      const guard = await lock(join(root, "locks", "containers"));
      try {
        const all = store.list();
        const id = randomBytes(32).toString("hex");
        const name = draft.name ?? randomName((taken) => all.some((other) => other.name === taken));
        refuseName(name, all);
        const container: Container = { ...draft, id, name, created: Date.now() };
        mkdirSync(base, { recursive: true, mode: 0o700 });
        // Complete before it is seen: what lacks its configuration is swept.
        const unfinished = join(base, `${id}.tmp`);
        mkdirSync(join(unfinished, "upper"), { recursive: true, mode: 0o755 });
        writeFileSync(join(unfinished, "config.json"), JSON.stringify(container), { mode: 0o600 });
        renameSync(unfinished, directory(container));
        return container;
      } finally {
        guard.release();
      }
    },
    state(container) {
      const state = readState(container);
      if (state.status !== "running" || store.isOccupied(container)) return state;
      // It may have ended in between.
      const now = readState(container);
      if (now.status !== "running") return now;
      const finished = statSync(store.path(container, "log"), { throwIfNoEntry: false })?.mtimeMs;
      return {
        status: "exited",
        started: now.started,
        finished: Math.max(now.started, finished ?? 0),
        exitCode: killedCode,
      };
    },
    setState: (container, state) =>
      replaceFile(join(directory(container), "state.json"), JSON.stringify(state), { mode: 0o600 }),
    async occupy(container) {
      // Whoever only looks holds the lock for an instant.
      for (let attempt = 0; attempt < occupyAttempts; attempt++) {
        const held = tryLock(lockOf(container));
        if (held !== undefined) return held;
        if (readState(container).status === "running" && attempt > 0) break;
        await sleep(occupyPauseMs);
      }
      throw new BuildError("failed-precondition", `container ${container.name} is running already`);
    },
    tryOccupy: (container) =>
      statSync(directory(container), { throwIfNoEntry: false }) === undefined
        ? undefined
        : tryLock(lockOf(container)),
    isOccupied(container) {
      if (statSync(lockOf(container), { throwIfNoEntry: false }) === undefined) return false;
      const held = tryLock(lockOf(container), "shared");
      held?.release();
      return held === undefined;
    },
    path: (container, part) => join(directory(container), part),
    async remove(container) {
      const trash = join(root, "trash");
      mkdirSync(trash, { recursive: true, mode: 0o700 });
      const moved = join(trash, `container-${container.id}`);
      renameSync(directory(container), moved);
      if (process.geteuid?.() === 0) deleteInBackground(moved);
      else await deleteAsOwner(moved);
    },
  };
  return store;
}

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined; // being removed, or damaged by a power failure
  }
}

function refuseName(name: string, all: readonly Container[]): void {
  if (!namePattern.test(name))
    throw new BuildError(
      "invalid-argument",
      `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
  const other = all.find((container) => container.name === name);
  if (other === undefined) return;
  throw new BuildError(
    "already-exists",
    `Conflict. The container name "/${name}" is already in use by container "${other.id}".`,
    { hint: `remove it first (stagewright rm ${name}), or choose another --name` },
  );
}

function noSuchContainer(text: string, all: readonly Container[]): BuildError {
  const near = nearest(
    text,
    all.map(({ name }) => name),
  );
  return new BuildError("not-found", `No such container: ${text}`, {
    hint: near === undefined ? "'stagewright ps -a' lists what is there" : `did you mean ${near}?`,
  });
}

/** Files of subordinate ids are removed inside a user namespace. What this leaves, prune removes. */
async function deleteAsOwner(path: string): Promise<void> {
  const { removeTree } = await import("../stacking/index.ts");
  await removeTree(path).catch(() => {});
}

/** What a container wrote can be a big tree. What this leaves, prune removes. */
function deleteInBackground(path: string): void {
  const child = spawn("rm", ["-rf", path], { stdio: "ignore", detached: true, cwd: "/" });
  child.on("error", () => {});
  child.unref();
}
