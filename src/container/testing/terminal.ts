import { spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { ReadStream } from "node:tty";
import { openPty, resizePty, type TerminalSize } from "../../sys/index.ts";

/** A program in a terminal that a test sits at. */
export interface Session {
  type(text: string): void;
  resize(size: TerminalSize): void;
  /** Waits until the screen shows something that was not waited for before; fails after a while with what it shows. */
  shows(pattern: RegExp): Promise<void>;
  readonly exited: Promise<number | null>;
  kill(): void;
}

const patienceMs = 30_000;

export function inTerminal(
  program: string,
  args: readonly string[],
  size: TerminalSize,
  env: NodeJS.ProcessEnv = process.env,
): Session {
  const { master, slave } = openPty(size);
  const child = spawn("setsid", ["--ctty", program, ...args], { stdio: [slave, slave, slave], env });
  closeSync(slave);
  const screen = new ReadStream(master);
  let text = "";
  screen.on("data", (data: Buffer) => {
    text += data.toString();
  });
  // The end of a pseudo-terminal is an error.
  screen.on("error", () => {});
  return {
    type: (keys) => void screen.write(keys),
    resize: (next) => resizePty(master, next),
    async shows(pattern) {
      const deadline = performance.now() + patienceMs;
      for (;;) {
        const match = pattern.exec(text);
        if (match !== null) {
          text = text.slice(match.index + match[0].length);
          return;
        }
        if (performance.now() > deadline) throw new Error(`${pattern} is not in ${JSON.stringify(text)}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    exited: new Promise((resolve) => child.on("close", (code) => resolve(code))),
    kill: () => void child.kill("SIGKILL"),
  };
}
