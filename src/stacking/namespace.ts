import { type ChildProcess, execFile, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BuildError, reviveError, type WorkerOptions, workerFile } from "../core/index.ts";
import { type IdMap, type IdRange, mapLines } from "./id-map.ts";
import type { InsideReply, InsideRequest } from "./namespace-messages.ts";

/**
 * A user namespace of this process, kept by a process inside it (a second Node), which works on files there: who is not
 * root outside can give files to subordinate ids, make whiteouts and mount only inside.
 */
export interface Namespace {
  readonly ids: IdMap;
  /** What starts a program inside: words to put before its own. Not the place of a program that must outlive this process. */
  readonly enter: readonly string[];
  /** Runs a task of a worker file (see `runInWorker`) in a worker thread of the process inside. */
  run<T>(entry: URL, task: string, input: unknown, signal?: AbortSignal): Promise<T>;
  /** The same, for what has to be finished even when this process ends meanwhile; nobody waits for it. */
  leave(entry: URL, task: string, input: unknown): void;
  /** Sends a signal to a process inside, whichever of the ids it has. One that is gone is no error. */
  signal(pid: number, signal: NodeJS.Signals): void;
}

export interface NamespaceTools {
  readonly unshare: string;
  readonly nsenter: string;
  readonly sh: string;
  readonly newuidmap: string | undefined;
  readonly newgidmap: string | undefined;
  /** PATH for what is started. */
  readonly path: string;
}

const entry = workerFile("namespace-worker", import.meta.url);

/** Waits until the ids are mapped: only then is it root inside, and gets its capabilities by becoming Node. */
const script = `echo ready >&3; read -r mapped && [ "$mapped" = mapped ] && exec "$@" </dev/null 3>&-`;
const startupMs = 20_000;

/** Makes a user namespace with these ids. Throws `failed-precondition` where the kernel, or who set it up, forbids it. */
export async function openNamespace(ids: IdMap, tools: NamespaceTools): Promise<Namespace> {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const node = [process.execPath, fileURLToPath(entry)];
  const child = spawn(tools.unshare, ["--user", tools.sh, "-c", script, "stagewright", ...node], {
    stdio: ["pipe", "ignore", "pipe", "pipe", "ipc"],
    serialization: "advanced",
    // A session of its own: Ctrl-C reaches only this process.
    detached: true,
    env: { ...env, PATH: tools.path },
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), startupMs);
  try {
    await ready(child);
    await writeMaps(child.pid!, ids, tools);
    child.stdin!.end("mapped\n");
    await started(child);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    clearTimeout(limit);
    child.stdin!.destroy();
  }
  return served(child, ids, tools);
}

/** The process inside exists, and has no ids yet. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr!.on("data", (data: Buffer) => {
      said += data.toString();
    });
    child.on("error", (error) => reject(refused(error.message)));
    child.on("exit", () => reject(refused(said.trim())));
    child.stdio[3]!.once("data", () => resolve());
  });
}

function refused(why: string): BuildError {
  return new BuildError(
    "failed-precondition",
    `this machine does not let its users make namespaces: ${why}`,
    {
      hint: "see user.max_user_namespaces, kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns of sysctl; in a container the outer runtime has to allow it; or run the build as root",
    },
  );
}

async function writeMaps(pid: number, ids: IdMap, tools: NamespaceTools): Promise<void> {
  if (ids.kind === "subordinate") {
    await runHelper(tools.newuidmap!, pid, ids.uids, tools);
    await runHelper(tools.newgidmap!, pid, ids.gids, tools);
    return;
  }
  try {
    // Without CAP_SETGID the kernel wants to know first that groups cannot be dropped inside.
    if (ids.kind === "single") writeFileSync(`/proc/${pid}/setgroups`, "deny");
    writeFileSync(`/proc/${pid}/uid_map`, mapLines(ids.uids).join("\n"));
    writeFileSync(`/proc/${pid}/gid_map`, mapLines(ids.gids).join("\n"));
  } catch (error) {
    throw refused((error as Error).message);
  }
}

async function runHelper(
  helper: string,
  pid: number,
  ranges: readonly IdRange[],
  { path }: NamespaceTools,
): Promise<void> {
  const words = mapLines(ranges).flatMap((line) => line.split(" "));
  try {
    await promisify(execFile)(helper, [String(pid), ...words], { env: { PATH: path }, timeout: startupMs });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new BuildError(
      "failed-precondition",
      `${helper} cannot map the subordinate ids: ${(stderr || message).trim()}`,
      {
        hint: "check /etc/subuid and /etc/subgid, and that newuidmap and newgidmap are setuid root or have file capabilities",
      },
    );
  }
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("message", () => resolve());
    child.once("exit", (code) =>
      reject(new BuildError("internal", `the process in the user namespace ended at once (${code})`)),
    );
  });
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

function served(child: ChildProcess, ids: IdMap, { nsenter }: NamespaceTools): Namespace {
  const pending = new Map<number, Pending>();
  let count = 0;
  // Only what somebody waits for keeps this process alive.
  const hold = (): void => {
    if (pending.size > 0) child.channel?.ref();
    else child.channel?.unref();
  };
  child.removeAllListeners("exit");
  child.unref();
  for (const stream of child.stdio) (stream as { unref?(): void } | null)?.unref?.();
  child.on("message", (reply: InsideReply) => {
    const waiting = pending.get(reply.id);
    pending.delete(reply.id);
    hold();
    if ("error" in reply) waiting?.reject(reviveError(reply.error));
    else waiting?.resolve(reply.value);
  });
  const lost = (): void => {
    for (const { reject } of pending.values())
      reject(new BuildError("internal", "the process in the user namespace ended in its work"));
    pending.clear();
    hold();
  };
  child.on("exit", lost);
  child.on("error", lost);
  const send = (request: InsideRequest): void => {
    if (child.connected) child.send(request, (error) => error && lost());
    else lost();
  };
  hold();
  return {
    ids,
    enter: [nsenter, "--preserve-credentials", "--user", "--target", String(child.pid), "--"],
    run<T>(task: URL, name: string, input: unknown, signal?: WorkerOptions["signal"]): Promise<T> {
      const id = count++;
      const abort = (): void => send({ kind: "cancel", id });
      return new Promise<T>((resolve, reject) => {
        if (signal?.aborted) {
          reject(new BuildError("canceled", "canceled", { cause: signal.reason }));
          return;
        }
        signal?.addEventListener("abort", abort, { once: true });
        pending.set(id, { resolve: resolve as Pending["resolve"], reject });
        hold();
        send({ kind: "task", id, entry: task.href, task: name, input, finish: false });
      }).finally(() => signal?.removeEventListener("abort", abort));
    },
    leave(task, name, input) {
      send({ kind: "task", id: count++, entry: task.href, task: name, input, finish: true });
    },
    signal: (pid, signal) => send({ kind: "signal", pid, signal }),
  };
}
