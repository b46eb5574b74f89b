import { isUtf8 } from "node:buffer";
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A line of a container's output, or a piece of a long one. */
export interface LogEntry {
  readonly stream: 1 | 2;
  /** When it came, in milliseconds since the epoch. */
  readonly time: number;
  readonly data: Buffer;
}

/** Writes what a container prints. */
export interface LogWriter {
  write(stream: 1 | 2, data: Uint8Array): void;
  /** Writes what did not end in a line end, too. */
  close(): void;
}

/** As stored: docker's fields; `bytes` in base64 where the output is no text. */
interface StoredEntry {
  readonly log?: string;
  readonly bytes?: string;
  readonly stream: "stdout" | "stderr";
  readonly time: string;
}

/** A longer line is cut into pieces. */
const longestPiece = 16 << 10;
/** One older file of this size is kept beside the present one. */
const largestFile = 64 << 20;
const pollMs = 100;

/** Opens a container's log for more. */
export function openLog(file: string, limit: number = largestFile): LogWriter {
  let fd = openSync(file, "a+", 0o600);
  let { size } = fstatSync(fd);
  const last = Buffer.from("\n");
  if (size > 0) readSync(fd, last, 0, 1, size - 1);
  // A line that a crash cut short ends here, or the next one would be lost with it.
  if (last.toString() !== "\n") size += writeSync(fd, "\n");
  const pending = new Map<1 | 2, Buffer>();

  const put = (stream: 1 | 2, data: Buffer): void => {
    const text = isUtf8(data) ? { log: data.toString() } : { bytes: data.toString("base64") };
    const entry: StoredEntry = {
      ...text,
      stream: stream === 1 ? "stdout" : "stderr",
      time: new Date().toISOString(),
    };
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    if (size + line.length > limit) rotate();
    writeSync(fd, line);
    size += line.length;
  };
  const rotate = (): void => {
    closeSync(fd);
    renameSync(file, `${file}.1`);
    fd = openSync(file, "a", 0o600);
    size = 0;
  };
  return {
    write(stream, data) {
      let rest = Buffer.concat([pending.get(stream) ?? Buffer.alloc(0), data]);
      for (;;) {
        const end = rest.indexOf(0x0a) + 1;
        const length = end > 0 && end <= longestPiece ? end : rest.length >= longestPiece ? longestPiece : 0;
        if (length === 0) break;
        put(stream, rest.subarray(0, length));
        rest = rest.subarray(length);
      }
      pending.set(stream, Buffer.from(rest));
    },
    close() {
      for (const [stream, rest] of pending) if (rest.length > 0) put(stream, rest);
      closeSync(fd);
    },
  };
}

/**
 * Reads a container's log. With `follow` it goes on until `isOver` says that nothing more can come. `tail` asks for
 * the last so many entries only.
 */
export async function* readLog(
  file: string,
  options: {
    readonly tail?: number;
    readonly follow?: { isOver(): boolean; readonly signal: AbortSignal };
  } = {},
): AsyncGenerator<LogEntry> {
  const present = openReader(file);
  const older = openReader(`${file}.1`)?.read() ?? [];
  const entries = [...older, ...(present?.read() ?? [])];
  yield* options.tail === undefined ? entries : entries.slice(Math.max(0, entries.length - options.tail));
  const { follow } = options;
  if (follow === undefined) return;
  let reader = present;
  for (;;) {
    // Asked before reading: what was written before the end is read.
    const over = follow.isOver();
    yield* reader?.read() ?? [];
    if (reader === undefined || reader.isReplaced()) {
      const next = openReader(file);
      yield* reader?.read() ?? [];
      reader?.close();
      reader = next;
      yield* reader?.read() ?? [];
    }
    if (over || follow.signal.aborted) return;
    await sleep(pollMs, undefined, { signal: follow.signal }).catch(() => {});
  }
}

interface LogReader {
  /** Entries that were not read yet. */
  read(): LogEntry[];
  isReplaced(): boolean;
  close(): void;
}

function openReader(file: string): LogReader | undefined {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const { ino } = fstatSync(fd);
  let rest = Buffer.alloc(0);
  return {
    read() {
      const chunks = [rest];
      const chunk = Buffer.alloc(1 << 20);
      for (let count = -1; count !== 0; ) {
        count = readSync(fd, chunk, 0, chunk.length, null);
        if (count > 0) chunks.push(Buffer.from(chunk.subarray(0, count)));
      }
      const all = Buffer.concat(chunks);
      const end = all.lastIndexOf(0x0a) + 1;
      rest = Buffer.from(all.subarray(end));
      return all.toString("utf8", 0, end).split("\n").flatMap(parse);
    },
    isReplaced: () => statSync(file, { throwIfNoEntry: false })?.ino !== ino,
    close: () => closeSync(fd),
  };
}

/** A line that a crash cut short is left out. */
function parse(line: string): LogEntry[] {
  if (line === "") return [];
  try {
    const { log = "", bytes, stream, time } = JSON.parse(line) as StoredEntry;
    return [
      {
        stream: stream === "stderr" ? 2 : 1,
        time: Date.parse(time),
        data: bytes === undefined ? Buffer.from(log) : Buffer.from(bytes, "base64"),
      },
    ];
  } catch {
    return [];
  }
}
