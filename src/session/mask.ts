/** What must not be printed, and how to keep it out of what is printed. */
export interface Mask {
  add(secret: Uint8Array): void;
  /** Passes a stream on to `write` with every secret replaced by `****`, also one that comes in pieces. */
  stream(write: (data: Uint8Array) => void): MaskedStream;
}

export interface MaskedStream {
  write(data: Uint8Array): void;
  /** Passes on what was held back because it could have become a secret. */
  flush(): void;
}

/** Shorter ones would hide half of all output, and are no secrets. */
const shortest = 4;
const shown = Buffer.from("****");

/** A mask that hides nothing yet. Of a secret with several lines each line is hidden on its own. */
export function createMask(): Mask {
  const patterns: Buffer[] = [];
  return {
    add(secret) {
      for (const line of linesOf(secret))
        if (line.length >= shortest && !patterns.some((known) => known.equals(line))) patterns.push(line);
      patterns.sort((a, b) => b.length - a.length);
    },
    stream: (write) => maskedStream(patterns, write),
  };
}

function maskedStream(patterns: readonly Buffer[], write: (data: Uint8Array) => void): MaskedStream {
  let held = Buffer.alloc(0);
  const pass = (data: Buffer): void => {
    if (data.length > 0) write(data);
  };
  const mask = (isLast: boolean): void => {
    for (;;) {
      const found = firstMatch(patterns, held);
      const open = isLast ? held.length : unfinished(patterns, held);
      if (found === undefined || open <= found.start) {
        pass(held.subarray(0, open));
        held = held.subarray(open);
        return;
      }
      pass(Buffer.concat([held.subarray(0, found.start), shown]));
      held = held.subarray(found.end);
    }
  };
  return {
    write(data) {
      if (patterns.length === 0 && held.length === 0) return write(data);
      held = held.length === 0 ? Buffer.from(data) : Buffer.concat([held, data]);
      mask(false);
    },
    flush: () => mask(true),
  };
}

/** The first place that is to be hidden, the longest pattern winning. */
function firstMatch(
  patterns: readonly Buffer[],
  data: Buffer,
): { readonly start: number; readonly end: number } | undefined {
  let found: { start: number; end: number } | undefined;
  for (const pattern of patterns) {
    const start = data.indexOf(pattern);
    if (start >= 0 && (found === undefined || start < found.start))
      found = { start, end: start + pattern.length };
  }
  return found;
}

/** Where the first pattern begins that the end of the data may be a part of. */
function unfinished(patterns: readonly Buffer[], data: Buffer): number {
  let first = data.length;
  for (const pattern of patterns) {
    let at = data.indexOf(pattern[0]!, Math.max(0, data.length - pattern.length + 1));
    while (at >= 0 && at < first) {
      if (pattern.subarray(0, data.length - at).equals(data.subarray(at))) first = at;
      at = data.indexOf(pattern[0]!, at + 1);
    }
  }
  return first;
}

function linesOf(secret: Uint8Array): Buffer[] {
  const lines: Buffer[] = [];
  let rest = Buffer.from(secret);
  while (rest.length > 0) {
    const end = rest.indexOf(0x0a);
    lines.push(trimmed(end < 0 ? rest : rest.subarray(0, end)));
    rest = end < 0 ? Buffer.alloc(0) : rest.subarray(end + 1);
  }
  return lines;
}

function trimmed(line: Buffer): Buffer {
  const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0d;
  let [start, end] = [0, line.length];
  while (start < end && isSpace(line[start])) start++;
  while (end > start && isSpace(line[end - 1])) end--;
  return line.subarray(start, end);
}
