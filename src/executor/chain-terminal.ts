import { closeSync } from "node:fs";
import type { Socket } from "node:net";
import { openPty, resizePty, type TerminalSize } from "../sys/index.ts";

/** The side of a step's terminal where somebody sits. */
export interface Terminal {
  readonly socket: Socket;
  type(data: Uint8Array): void;
  resize(size: TerminalSize): void;
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
