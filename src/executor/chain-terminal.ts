import { closeSync, constants, lstatSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { openPty, resizePty, type TerminalSize } from "../sys/index.ts";

/** The side of a step's terminal where somebody sits. */
export interface Terminal {
  readonly socket: Socket;
  type(data: Uint8Array): void;
  resize(size: TerminalSize): void;
}

/**
 * Resizes the terminal inside a container, which the runtime connects with ours: not every runtime passes that on. Nothing
 * happens where the container has replaced its console.
 */
export function resizeConsole(program: number, size: TerminalSize): void {
  const path = `/proc/${program}/root/dev/console`;
  try {
    if (!lstatSync(path).isCharacterDevice()) return;
    const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NOFOLLOW);
    try {
      resizePty(fd, size);
    } finally {
      closeSync(fd);
    }
  } catch {
    // It has ended.
  }
}

/** Makes a terminal for a chain. `read` is called once the chain has the program's end of it, `slave`. */
export function openTerminal(size: TerminalSize): {
  readonly slave: number;
  read(onData: (data: Uint8Array) => void): Terminal;
} {
  const { master, slave } = openPty(size);
  return {
    slave,
    read(onData) {
      closeSync(slave);
      const { ReadStream } = process.getBuiltinModule("node:tty");
      const socket = new ReadStream(master);
      // When the last program is gone, reading fails with EIO: that is the end of the output.
      socket.on("error", () => {});
      socket.on("data", (data: Buffer) => onData(data));
      return {
        socket,
        type(data) {
          if (!socket.destroyed) socket.write(data);
        },
        resize(next) {
          if (!socket.destroyed) resizePty(master, next);
        },
      };
    },
  };
}
