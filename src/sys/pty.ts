import { closeSync, constants, openSync } from "node:fs";
import { libc, systemError } from "./libc.ts";

/** Columns and rows of a terminal. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Both ends of a pseudo-terminal. The descriptors belong to the caller. */
export interface Pty {
  /** Ours: what is written here is typed, what is read here was printed. */
  readonly master: number;
  /** The program's. */
  readonly slave: number;
}

const closeOnExec = 0o2000000;
const setWindowSize = 0x5414;
const longestName = 128;

interface Calls {
  readonly open: (flags: number) => number;
  readonly grant: (fd: number) => number;
  readonly unlock: (fd: number) => number;
  readonly name: (fd: number, target: Buffer, size: number) => number;
  readonly ioctl: (fd: number, request: number, type: string, argument: Uint16Array) => number;
}

let loaded: Calls | undefined;

function calls(): Calls {
  if (loaded === undefined) {
    const c = libc().libc;
    loaded = {
      open: c.func("int posix_openpt(int)") as Calls["open"],
      grant: c.func("int grantpt(int)") as Calls["grant"],
      unlock: c.func("int unlockpt(int)") as Calls["unlock"],
      name: c.func("int ptsname_r(int, _Out_ void*, size_t)") as Calls["name"],
      ioctl: c.func("int ioctl(int, unsigned long, ...)") as Calls["ioctl"],
    };
  }
  return loaded;
}

/** Makes a pseudo-terminal, close-on-exec, that is nobody's controlling terminal yet. */
export function openPty(size: TerminalSize): Pty {
  const { open, grant, unlock, name } = calls();
  const master = open(constants.O_RDWR | constants.O_NOCTTY | closeOnExec);
  if (master < 0) throw systemError("posix_openpt");
  try {
    const path = Buffer.alloc(longestName);
    if (grant(master) !== 0) throw systemError("grantpt");
    if (unlock(master) !== 0) throw systemError("unlockpt");
    if (name(master, path, path.length) !== 0) throw systemError("ptsname_r");
    resizePty(master, size);
    const slave = openSync(
      path.toString("latin1", 0, path.indexOf(0)),
      constants.O_RDWR | constants.O_NOCTTY,
    );
    return { master, slave };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

/** Tells a pseudo-terminal how large it is shown; the programs in it get SIGWINCH when that changed. */
export function resizePty(master: number, { columns, rows }: TerminalSize): void {
  const size = Uint16Array.of(rows, columns, 0, 0);
  if (calls().ioctl(master, setWindowSize, "void*", size) !== 0) throw systemError("ioctl TIOCSWINSZ");
}

/** More than a `struct termios` of any architecture takes. */
const termiosSize = 256;
const afterOutput = 1;

let modes:
  | {
      readonly get: (fd: number, termios: Buffer) => number;
      readonly raw: (termios: Buffer) => void;
      readonly set: (fd: number, when: number, termios: Buffer) => number;
    }
  | undefined;

/**
 * Makes a terminal hand every byte through, in both directions; returns what puts it back as it was. (Node's own raw mode goes on
 * turning line ends of the output into two characters.)
 */
export function makeRaw(fd: number): () => void {
  const c = libc().libc;
  modes ??= {
    get: c.func("int tcgetattr(int, _Out_ void*)"),
    raw: c.func("void cfmakeraw(_Inout_ void*)"),
    set: c.func("int tcsetattr(int, int, const void*)"),
  };
  const { get, raw, set } = modes;
  const before = Buffer.alloc(termiosSize);
  if (get(fd, before) !== 0) throw systemError("tcgetattr");
  const termios = Buffer.from(before);
  raw(termios);
  if (set(fd, afterOutput, termios) !== 0) throw systemError("tcsetattr");
  return () => void set(fd, afterOutput, before);
}
