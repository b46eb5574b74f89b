import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { BuildError } from "../core/index.ts";
import { makePipe } from "../sys/index.ts";
import { catchesTerm, childrenOf, descendants, signalProcess } from "./process-tree.ts";
import { type Tools, toolPath } from "./runtime.ts";
import type { ProcessIO } from "./types.ts";

/** An overlay to mount before the runtime starts; paths are relative to the chain's directory. */
export interface OverlayMount {
  readonly options: string;
  readonly target: string;
}

export interface ChainSpec {
  /** The state directory: short relative paths keep the overlay options below the kernel's one page. */
  readonly directory: string;
  readonly mounts: readonly OverlayMount[];
  /** The runtime and its arguments. */
  readonly command: readonly string[];
  /** Makes crun accept a machine whose control groups are half v1, half v2. */
  readonly hideUnifiedCgroup: boolean;
}

/** What ended: the runtime's exit code (128+n for a signal), and whether it got as far as starting. */
export interface ChainExit {
  readonly code: number;
  /** Messages of a mount that failed; undefined when the runtime was started. */
  readonly setupError: string | undefined;
}

/** One step's processes. They die with this process, however it dies. */
export interface Chain {
  /** Lets the chain mount and start the runtime: everything that it reads from disk is there. */
  start(): void;
  readonly exited: Promise<ChainExit>;
  /** Asks the processes in the container to end, then kills them: after 10 s, or as soon as none of them cleans up. */
  terminate(): void;
  kill(): void;
  /** Passes a signal on to the first process in the container. */
  forward(signal: NodeJS.Signals): void;
}

/**
 * Runs in namespaces of its own. Descriptor 2 is the control channel, 3 and 4 are the step's output. It waits for a word,
 * so that nothing starts when the builder died before the death signal was armed: then it reads the end of the file.
 */
const script = `
read -r go <&2 || exit 125
cd "$1" || exit 125
if [ -n "$2" ]; then mount --bind /dev/null /sys/fs/cgroup/unified/cgroup.controllers || exit 125; fi
shift 2
while [ "$1" != -- ]; do
  mount -t overlay -o "$1" overlay "$2" || exit 125
  shift 2
done
shift
echo mounted >&2
exec "$@" >&3 2>&4 3>&- 4>&-
`;

const setupMark = "mounted";
/** How unshare, which wants to die of the same signal as its child, fails to do so after SIGKILL. */
const killedMark = /unblock failed/;
const graceMs = 10_000;
const pollMs = 50;
/** How long output may stay open after the last process of the step is gone. */
const drainMs = 2_000;

/** Starts the chain up to the point where it waits for \`start()\`. */
export function spawnChain(tools: Tools, spec: ChainSpec, io: ProcessIO): Chain {
  const outputs = openOutputs(io);
  const child = spawn(tools.setpriv, chainArguments(tools, spec), {
    stdio: [io.stdin, "ignore", "pipe", outputs[0].stdio, outputs[1].stdio],
    // A session of its own: Ctrl-C reaches only the builder. A terminal must stay the controlling one.
    detached: io.tty !== true,
    env: { PATH: toolPath(), LIBMOUNT_FORCE_MOUNT2: "always" },
  });
  const ended = outputs.map((output) => output.read(io));
  const control = child.stderr as unknown as Duplex;
  return {
    start: () => void control.write("go\n"),
    exited: exitOf(child, control, ended),
    ...signals(child),
  };
}

function chainArguments(tools: Tools, spec: ChainSpec): string[] {
  const mounts = spec.mounts.flatMap((mount) => [mount.options, mount.target]);
  return [
    ...["--pdeathsig", "KILL", tools.unshare, "-m", "-p", "-f", "--kill-child", "--mount-proc"],
    ...[tools.sh, "-c", script, "stagewright", spec.directory, spec.hideUnifiedCgroup ? "1" : ""],
    ...mounts,
    "--",
    ...spec.command,
  ];
}

interface Output {
  readonly stdio: number;
  /** Closes the child's end and reads ours; resolves at the end of the output. */
  read(io: ProcessIO): Promise<void>;
}

function openOutputs(io: ProcessIO): [Output, Output] {
  if (io.stdout === "inherit") {
    return [
      { stdio: 1, read: async () => {} },
      { stdio: 2, read: async () => {} },
    ];
  }
  return [openOutput(1), openOutput(2)];
}

function openOutput(stream: 1 | 2): Output {
  const pipe = makePipe();
  return {
    stdio: pipe.write,
    read(io) {
      closeSync(pipe.write);
      const reader = new Socket({ fd: pipe.read, readable: true, writable: false });
      reader.on("data", (data: Buffer) => io.onOutput?.(stream, data));
      return new Promise((resolve) => {
        reader.on("close", () => resolve());
        reader.on("error", () => resolve());
      });
    },
  };
}

function exitOf(child: ChildProcess, control: Duplex, ended: readonly Promise<void>[]): Promise<ChainExit> {
  let messages = "";
  control.setEncoding("utf8");
  control.on("data", (text: string) => {
    messages += text;
  });
  // The chain may be gone before it reads its word; its exit says so.
  control.on("error", () => {});
  return new Promise((resolve, reject) => {
    child.on("error", (error) =>
      reject(new BuildError("internal", `cannot start a step: ${error.message}`, { cause: error })),
    );
    child.on("exit", async (code, signal) => {
      await Promise.race([Promise.all([...ended, closed(control)]), delay(drainMs)]);
      const [, after] = messages.split(`${setupMark}\n`);
      const killed = signal === "SIGKILL" || (after !== undefined && killedMark.test(after));
      resolve({
        code: killed ? 137 : (code ?? 128 + signalNumber(signal)),
        setupError: after === undefined ? messages.trim() : undefined,
      });
    });
  });
}

function closed(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) resolve();
    else stream.on("close", () => resolve());
  });
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}

const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};

function signalNumber(signal: string | null): number {
  return signalNumbers[signal ?? ""] ?? 0;
}

/** The chain is setpriv that became unshare; its only child is the shell that becomes the runtime. */
function signals(child: ChildProcess): Pick<Chain, "terminate" | "kill" | "forward"> {
  let timer: NodeJS.Timeout | undefined;
  const alive = (): boolean =>
    child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  const runtime = (): number | undefined => childrenOf(child.pid!)[0];
  const contained = (): number[] => {
    const pid = runtime();
    return pid === undefined ? [] : descendants(pid);
  };
  const kill = (): void => {
    clearInterval(timer);
    if (!alive()) return;
    // The runtime is the first process of its namespace: the kernel kills all others there before it is gone,
    // and unshare ends after that.
    signalProcess(runtime() ?? child.pid!, "SIGKILL");
  };
  child.once("exit", () => clearInterval(timer));
  return {
    kill,
    terminate() {
      if (!alive() || timer !== undefined) return;
      const deadline = performance.now() + graceMs;
      for (const pid of contained()) signalProcess(pid, "SIGTERM");
      const look = (): void => {
        if (performance.now() > deadline || !contained().some(catchesTerm)) kill();
      };
      timer = setInterval(look, pollMs);
      look();
    },
    forward(signal) {
      const pid = contained()[0];
      if (pid !== undefined) signalProcess(pid, signal);
    },
  };
}
