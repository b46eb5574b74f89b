import type { TerminalSize } from "../sys/index.ts";
import type { PublishedPort } from "./network.ts";

/** A process in a sandbox, as an image's configuration and a RUN describe it. */
export interface ProcessSpec {
  readonly args: readonly string[];
  /** `K=V`; the executor adds HOME and PATH where missing. */
  readonly env: readonly string[];
  /** `K=V` beside `env`; no file on a disk ever holds them. */
  readonly secretEnv?: readonly string[];
  /** Absolute path inside the root filesystem; created when missing. */
  readonly cwd: string;
  /** `user[:group]`, names or ids, looked up in the root filesystem's passwd and group. Empty: root. */
  readonly user: string;
  /** `default` and `host` share the machine's network; `isolated` reaches out, and is reached by published ports only. */
  readonly network: "default" | "none" | "host" | "isolated";
  /** Only with an isolated network. */
  readonly ports?: readonly PublishedPort[];
  /** Without the sandbox's limits: every capability of this process, its devices, no filter of system calls. */
  readonly insecure?: boolean;
  /** What it is left with of Docker's default capabilities (`CAP_CHOWN`); all of them when left out. */
  readonly capabilities?: readonly string[];
  /** Whether nothing but its mounts can be written to. */
  readonly readonlyRoot?: boolean;
  /** Control group that the process's own is made in. */
  readonly cgroupParent?: string;
  readonly hostname?: string;
  /** `HOST:IP` lines beside the generated ones. */
  readonly extraHosts?: readonly { readonly host: string; readonly ip: string }[];
  /** Raised or lowered for the process; what this process may not raise is capped, with a warning. */
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
}

/** Something mounted beside the root filesystem. Paths on the host are absolute. */
export type Mount =
  | { readonly type: "bind"; readonly source: string; readonly target: string; readonly readonly: boolean }
  /** A stack of layer directories; writes are thrown away. `source` selects a path inside it. */
  | {
      readonly type: "overlay";
      readonly lowers: readonly string[];
      readonly source: string;
      readonly target: string;
      readonly readonly: boolean;
    }
  | {
      readonly type: "tmpfs";
      readonly target: string;
      readonly readonly?: boolean;
      readonly sizeBytes?: number;
    }
  /** A read-only file that is in memory alone, and gone with the step. */
  | {
      readonly type: "secret";
      readonly content: Uint8Array;
      readonly target: string;
      readonly uid: number;
      readonly gid: number;
      /** Permission bits. */
      readonly mode: number;
    };

/** The root: overlay lowers (base first, absolute paths of overlay-format directories) and where writes go. */
export interface RootMount {
  readonly lowers: readonly string[];
  /** An empty directory that becomes the new layer, or undefined: writes are thrown away. */
  readonly upper?: string;
}

/** Where input of a process comes from and its output goes. */
export interface ProcessIO {
  /** Called for every piece of output, in order per stream. */
  readonly onOutput?: (stream: 1 | 2, data: Uint8Array) => void;
  /**
   * `ignore` is an empty stdin; `inherit` hands the caller's own descriptor through; `pipe` stays open, and nothing
   * comes of it; a number is an open file, which is closed here (but for 0 to 2). Without meaning where there is a terminal.
   */
  readonly stdin: "ignore" | "inherit" | "pipe" | number;
  /**
   * With `inherit`, output goes straight to the caller's stdout and stderr. A number is an open file that
   * stdout alone goes to; it is closed here (but for 0 to 2).
   */
  readonly stdout?: "events" | "inherit" | number;
  /** Gives the process a terminal of its own. What it prints comes as stream 1. */
  readonly terminal?: TerminalSize;
  /** Told what could not be done exactly as asked. */
  readonly onWarning?: (message: string) => void;
  /** Called once the chain of processes exists. */
  readonly onStart?: (step: RunningStep) => void;
}

/** What can be done with a step that runs. */
export interface RunningStep {
  /** Passes a signal on to the first process in the container. */
  forward(signal: NodeJS.Signals): void;
  /** The first process in the container, once it runs the program that was asked for. */
  program(): number | undefined;
  /** Types into the terminal; nothing where there is none. */
  type(data: Uint8Array): void;
  /** Tells the terminal how large it is shown. */
  resize(size: TerminalSize): void;
}

/** How a process ended. */
export interface ExitStatus {
  /** 128+n for a signal; 127 when the program is missing, 126 when it cannot be executed, as Docker has it. */
  readonly code: number;
}

/** Runs processes in sandboxes. */
export interface Executor {
  /** Name and version of what runs the processes (`crun 1.8.1`). */
  readonly runtime: string;
  /** Whether processes can be root and nobody else: this user has no subordinate ids. */
  readonly hasSingleId: boolean;
  /**
   * A fresh, empty directory that can serve as `RootMount.upper`. It belongs to the caller, who may rename it
   * away; what is still there at `close()` is thrown away.
   */
  createUpper(): string;
  /**
   * Runs to the end. Afterwards nothing is left of it but what it wrote to `root.upper`, stripped of
   * what the runtime itself put there. An abort stops it: TERM, 10 s, KILL; then throws `canceled`.
   */
  run(
    root: RootMount,
    process: ProcessSpec,
    mounts: readonly Mount[],
    io: ProcessIO,
    signal: AbortSignal,
  ): Promise<ExitStatus>;
  /**
   * Runs a program of the machine, not of the container, beside a mounted root filesystem that nothing runs in.
   * `command` gets the path of the mount, which only that program sees, and must not trust what it finds there.
   */
  runBeside(
    root: RootMount,
    command: (rootfs: string) => readonly string[],
    io: Pick<ProcessIO, "onOutput" | "stdin" | "stdout">,
    signal: AbortSignal,
  ): Promise<ExitStatus>;
  /** Kills every process that still runs, without grace: what a second Ctrl-C asks for. */
  kill(): void;
  /** Gives the state directory back. Nothing may run any more. */
  close(): void;
}
