import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { BuildError } from "../core/index.ts";
import type { Namespace } from "../stacking/index.ts";
import { makePipe } from "../sys/index.ts";
import { type ChainSignals, chainSignals } from "./chain-signals.ts";
import { openTerminal, type Terminal } from "./chain-terminal.ts";
import { networkMark } from "./network.ts";
import { type Tools, toolPath } from "./runtime.ts";
import type { ProcessIO } from "./types.ts";

/** What ended: the runtime's exit code (128+n for a signal), and whether it got as far as starting. */
export interface ChainExit {
  readonly code: number;
  /** Messages of a mount that failed; undefined when the runtime was started. */
  readonly setupError: string | undefined;
}

/** Where a chain's input comes from and its output goes: decided when it is made. */
export type ChainStreams = Pick<ProcessIO, "stdin" | "stdout" | "terminal">;

/** One step's processes. They die with this process, however it dies. */
export interface Chain extends ChainSignals {
  /**
   * Lets the chain run `<step>/start.sh` of the state directory, which may read `payload` from the control channel. Output
   * goes to `onOutput`.
   */
  start(step: string, onOutput: NonNullable<ProcessIO["onOutput"]>, payload?: Uint8Array): void;
  /** Waits until the start script says `mark`, one of its own; rejects when the chain ends before. */
  said(mark: string): Promise<void>;
  /** Says something to the start script that waits for it. */
  tell(line: string): void;
  readonly terminal: Terminal | undefined;
  readonly exited: Promise<ChainExit>;
  /** Whether the chain keeps this process from ending. */
  hold(yes: boolean): void;
}

/**
 * Runs in namespaces of its own. Descriptor 2 is the control channel, 3 and 4 are the step's output. It says that it is
 * there, and waits for the name of a step: a builder that dies before its death signal is armed never answers.
 */
const script = `
echo ready >&2
read -r step <&2 && [ -n "$step" ] && cd "$1" || exit 125
. "./$step/start.sh"
`;

const readyMark = "ready\n";
/** What start.sh prints once everything is mounted. */
export const mountedMark = "mounted\n";
/** How unshare, which wants to die of the same signal as its child, fails to do so after SIGKILL. */
const killedMark = /unblock failed/;
/** How long output may stay open after the last process of the step is gone. */
const drainMs = 2_000;

/** Starts a chain for the steps of a state directory; it waits for `start()`. */
export function spawnChain(
  tools: Tools,
  directory: string,
  streams: ChainStreams,
  namespace?: Namespace,
): Chain {
  const { stdio, afterwards } = openStreams(streams);
  const command = [...(namespace?.enter ?? []), tools.setpriv, ...chainArguments(tools, directory)];
  // A session of its own: Ctrl-C reaches only the builder. With a terminal, that is what controls the session.
  const ownSession = streams.terminal === undefined ? [] : [tools.setsid, "--ctty"];
  const [program = "", ...args] = [...ownSession, ...command];
  const child = spawn(program, args, {
    stdio: [stdio[0], "ignore", "pipe", stdio[1], stdio[2]],
    detached: streams.terminal === undefined,
    env: { PATH: toolPath(), LIBMOUNT_FORCE_MOUNT2: "always" },
  });
  let onOutput: NonNullable<ProcessIO["onOutput"]> = () => {};
  const { readers, terminal } = afterwards((stream, data) => onOutput(stream, data));
  const control = controlChannel(child);
  return {
    start(step, listener, payload) {
      onOutput = listener;
      // A chain that cannot even say so ends, and its exit tells why.
      control.ready.then(
        () => {
          control.write(`${step}\n`);
          if (payload !== undefined && payload.length > 0) control.write(payload);
        },
        () => {},
      );
    },
    said: (mark) => control.said(mark),
    tell: (line) => control.write(`${line}\n`),
    terminal,
    exited: exitOf(child, control, readers.map(closed)),
    hold(yes) {
      for (const each of [child, control.socket, ...readers]) {
        if (yes) each.ref();
        else each.unref();
      }
    },
    ...chainSignals(child, namespace),
  };
}

type Descriptor = number | "ignore" | "inherit" | "pipe";

interface OpenStreams {
  /** What the child has as stdin, stdout and stderr. */
  readonly stdio: readonly [Descriptor, number, number];
  /** Once the child has them: closes its ends here, and reads ours. */
  afterwards(onData: NonNullable<ProcessIO["onOutput"]>): {
    readonly readers: readonly Socket[];
    readonly terminal?: Terminal;
  };
}

function openStreams({ stdin, stdout = "events", terminal: size }: ChainStreams): OpenStreams {
  if (size !== undefined) {
    const { slave, read } = openTerminal(size);
    return {
      stdio: [slave, slave, slave],
      afterwards(onData) {
        const terminal = read((data) => onData(1, data));
        return { readers: [terminal.socket], terminal };
      },
    };
  }
  if (stdout === "inherit") return { stdio: [stdin, 1, 2], afterwards: () => ({ readers: [] }) };
  const outputs = [...(stdout === "events" ? [openOutput(1)] : []), openOutput(2)];
  const given = [stdin, stdout].filter((end) => typeof end === "number" && end > 2) as number[];
  return {
    stdio: [stdin, stdout === "events" ? outputs[0]!.write : stdout, outputs.at(-1)!.write],
    afterwards(onData) {
      for (const descriptor of given) closeSync(descriptor);
      return { readers: outputs.map((output) => output.read(onData)) };
    },
  };
}

function chainArguments(tools: Tools, directory: string): string[] {
  return [
    ...["--pdeathsig", "KILL", tools.unshare, "-m", "-p", "-f", "--kill-child", "--mount-proc"],
    ...[tools.sh, "-c", script, "stagewright", directory],
  ];
}

interface Output {
  /** The child's end. */
  readonly write: number;
  /** Closes the child's end and reads ours. */
  read(onData: NonNullable<ProcessIO["onOutput"]>): Socket;
}

function openOutput(stream: 1 | 2): Output {
  const pipe = makePipe();
  return {
    write: pipe.write,
    read(onData) {
      closeSync(pipe.write);
      const reader = new Socket({ fd: pipe.read, readable: true, writable: false });
      // An error is the end of the output, too.
      reader.on("error", () => {});
      reader.on("data", (data: Buffer) => onData(stream, data));
      return reader;
    },
  };
}

interface ControlChannel {
  /** Node makes the child's descriptor 2 a socket, which goes both ways. */
  readonly socket: Socket;
  readonly ready: Promise<void>;
  said(mark: string): Promise<void>;
  write(data: string | Uint8Array): void;
  /** Everything the chain said so far. */
  messages(): string;
}

function controlChannel(child: ChildProcess): ControlChannel {
  const socket = child.stderr as Duplex as Socket;
  let messages = "";
  // The chain may be gone before it reads its word; its exit says so.
  socket.on("error", () => {});
  socket.setEncoding("utf8");
  const said = (mark: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (messages.includes(mark)) resolve();
      };
      socket.on("data", look);
      socket.once("close", () => reject(new BuildError("aborted", "the step ended before it was set up")));
      look();
    });
  socket.on("data", (text: string) => {
    messages += text;
  });
  const ready = said(readyMark);
  ready.catch(() => {});
  return { socket, ready, said, write: (data) => void socket.write(data), messages: () => messages };
}

function exitOf(
  child: ChildProcess,
  control: ControlChannel,
  ended: readonly Promise<void>[],
): Promise<ChainExit> {
  return new Promise((resolve, reject) => {
    child.on("error", (error) =>
      reject(new BuildError("internal", `cannot start a step: ${error.message}`, { cause: error })),
    );
    child.on("exit", async (code, signal) => {
      await Promise.race([Promise.all([...ended, closed(control.socket)]), delay(drainMs)]);
      const [before = "", after] = control
        .messages()
        .replace(readyMark, "")
        .replace(networkMark, "")
        .split(mountedMark);
      const killed = signal === "SIGKILL" || (after !== undefined && killedMark.test(after));
      resolve({
        code: killed ? 137 : (code ?? 128 + signalNumber(signal)),
        setupError: after === undefined ? before.trim() : undefined,
      });
    });
  });
}

function closed(stream: Socket): Promise<void> {
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
