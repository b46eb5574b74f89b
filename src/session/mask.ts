/** What must not be printed, and how to keep it out of what is printed. */
export interface Mask {
  add(secret: Uint8Array): void;
  /** The same text with every secret replaced by `****`. */
  text(text: string): string;
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
  const patterns = createPatterns();
  return {
    add(secret) {
      for (const line of linesOf(secret)) if (line.length >= shortest) patterns.add(line);
    },
    text(text) {
      const shown: Uint8Array[] = [];
      const stream = maskedStream(patterns, (data) => shown.push(data));
      stream.write(Buffer.from(text));
      stream.flush();
      return Buffer.concat(shown).toString();
    },
    stream: (write) => maskedStream(patterns, write),
  };
}

/**
 * What is to be hidden. A secret may have thousands of lines (a bundle of certificates), and output must not become slower
 * for each.
 */
interface Patterns {
  add(pattern: Buffer): void;
  isEmpty(): boolean;
  /** The next place, from `from` on, where a pattern may begin; the length of the data when there is none. */
  next(data: Buffer, from: number): number;
  /** Length of the longest pattern at a place that `next` found; 0 for none. */
  lengthAt(data: Buffer, place: number): number;
  /** Whether a pattern begins with these bytes and goes on. */
  beginsWith(bytes: Buffer): boolean;
}

function createPatterns(): Patterns {
  const known = new Set<string>();
  /** By their first bytes: how long such patterns are, longest first. */
  const lengths = new Map<number, number[]>();
  const firstPairs = new Uint8Array(1 << 16);
  const sorted: Buffer[] = [];
  let isSorted = true;
  let longest = 0;
  return {
    add(pattern) {
      const text = pattern.toString("latin1");
      if (known.has(text)) return;
      known.add(text);
      sorted.push(pattern);
      isSorted = false;
      longest = Math.max(longest, pattern.length);
      firstPairs[pattern.readUInt16LE(0)] = 1;
      const start = pattern.readUInt32LE(0);
      const alike = lengths.get(start) ?? [];
      if (!alike.includes(pattern.length))
        lengths.set(
          start,
          [...alike, pattern.length].sort((a, b) => b - a),
        );
    },
    isEmpty: () => known.size === 0,
    next(data, from) {
      for (let place = from; place + shortest <= data.length; place++)
        if (firstPairs[data[place]! | (data[place + 1]! << 8)] === 1 && lengths.has(data.readUInt32LE(place)))
          return place;
      return data.length;
    },
    lengthAt(data, place) {
      const candidates = lengths.get(data.readUInt32LE(place)) ?? [];
      return candidates.find((length) => known.has(data.toString("latin1", place, place + length))) ?? 0;
    },
    beginsWith(bytes) {
      if (bytes.length >= longest) return false;
      if (!isSorted) sorted.sort(Buffer.compare);
      isSorted = true;
      // What goes on from these bytes stands right behind them.
      const following = sorted[firstAfter(sorted, bytes)];
      return following?.subarray(0, bytes.length).equals(bytes) === true;
    },
  };
}

/** Index of the first that is greater. */
function firstAfter(sorted: readonly Buffer[], bytes: Buffer): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Buffer.compare(sorted[middle]!, bytes) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

function maskedStream(patterns: Patterns, write: (data: Uint8Array) => void): MaskedStream {
  let held = Buffer.alloc(0);
  const mask = (isLast: boolean): void => {
    const parts: Buffer[] = [];
    let done = 0;
    const passUpTo = (place: number): void => {
      parts.push(held.subarray(done, place));
      done = place;
    };
    let place = patterns.next(held, 0);
    while (place < held.length && (isLast || !patterns.beginsWith(held.subarray(place)))) {
      const length = patterns.lengthAt(held, place);
      if (length > 0) {
        passUpTo(place);
        parts.push(shown);
        done += length;
      }
      place = patterns.next(held, place + Math.max(length, 1));
    }
    if (place === held.length && !isLast) place = unfinishedStart(patterns, held, done);
    passUpTo(place);
    held = held.subarray(done);
    const output = Buffer.concat(parts);
    if (output.length > 0) write(output);
  };
  return {
    write(data) {
      if (patterns.isEmpty() && held.length === 0) return write(data);
      held = held.length === 0 ? Buffer.from(data) : Buffer.concat([held, data]);
      mask(false);
    },
    flush: () => mask(true),
  };
}

/** Where too few bytes to tell, at the end of the data, may be the start of a pattern; its length when they are not. */
function unfinishedStart(patterns: Patterns, data: Buffer, from: number): number {
  for (let place = Math.max(from, data.length - shortest + 1); place < data.length; place++)
    if (patterns.beginsWith(data.subarray(place))) return place;
  return data.length;
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
