import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { hexOf } from "../core/index.ts";
import type { Mask, MaskedStream } from "../session/index.ts";
import type { JobContext } from "../solver/index.ts";

/** Output of a step, on its way to whoever watches and into a file. */
export interface StepLog {
  write(stream: 1 | 2, data: Uint8Array): void;
  /** The last lines, without line ends. */
  tail(): string[];
  /** Where all of it is; undefined when nothing was printed or the file cannot be written. */
  file(): string | undefined;
  /** Passes on what was held back because it could have become a secret. */
  flush(): void;
  close(): void;
}

const largestFile = 64 * 1024 * 1024;
const tailBytes = 64 * 1024;
const tailLines = 40;
const clipped = "\n[the rest of the output is not kept]\n";

/**
 * Opens the log of one step, `logs/<vertex>-<random>.log`, readable by its owner only. The file is made at the
 * first output. Secrets are hidden by `mask` from whoever watches and from the file. A log that cannot be written never fails the step.
 */
export function openStepLog(root: string, context: JobContext, mask: Mask): StepLog {
  const file = join(
    root,
    "logs",
    `${hexOf(context.vertex).slice(0, 16)}-${randomBytes(4).toString("hex")}.log`,
  );
  let descriptor: number | undefined;
  let size = 0;
  let last = Buffer.alloc(0);

  const keep = (data: Uint8Array): void => {
    if (size >= largestFile) return;
    try {
      descriptor ??= create(root, file);
      writeSync(descriptor, data.subarray(0, largestFile - size));
      size += data.length;
      if (size >= largestFile) writeSync(descriptor, clipped);
    } catch {
      size = largestFile;
    }
  };
  const pass = (stream: 1 | 2, data: Uint8Array): void => {
    keep(data);
    last = Buffer.concat([last, data.subarray(-tailBytes)]).subarray(-tailBytes);
    context.emit({ kind: "log", vertex: context.vertex, stream, data, timestamp: now() });
  };
  const masked: Readonly<Record<1 | 2, MaskedStream>> = {
    1: mask.stream((data) => pass(1, data)),
    2: mask.stream((data) => pass(2, data)),
  };
  const flush = (): void => {
    masked[1].flush();
    masked[2].flush();
  };
  return {
    write: (stream, data) => masked[stream].write(data),
    flush,
    tail: () =>
      last
        .toString("utf8")
        .replace(/\r?\n$/, "")
        .split(/\r?\n/)
        .slice(-tailLines),
    file: () => (descriptor === undefined ? undefined : file),
    close() {
      flush();
      if (descriptor !== undefined) closeSync(descriptor);
    },
  };
}

function create(root: string, file: string): number {
  mkdirSync(join(root, "logs"), { recursive: true, mode: 0o700 });
  return openSync(file, "wx", 0o600);
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
