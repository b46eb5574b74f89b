import type { SourceRange } from "./source-range.ts";

/** The gRPC status classes, in the spelling used here. */
export type ErrorCode =
  | "canceled"
  | "unknown"
  | "invalid-argument"
  | "deadline-exceeded"
  | "not-found"
  | "already-exists"
  | "permission-denied"
  | "resource-exhausted"
  | "failed-precondition"
  | "aborted"
  | "out-of-range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data-loss"
  | "unauthenticated";

/** A place in a Dockerfile that an error or warning points at, with what is needed to show an excerpt. */
export interface SourceLocation {
  /** Name of the file as the user gave it. */
  readonly file: string;
  /** Whole text of the file. */
  readonly text: string;
  readonly ranges: readonly SourceRange[];
}

/** Facts beside the message; each is attached once, by the layer that knows it. */
export interface ErrorDetails {
  readonly source?: SourceLocation;
  /** Digest of the vertex that failed. */
  readonly vertex?: string;
  /** Arguments of a process that failed, joined by spaces. */
  readonly command?: string;
  /** Exit code of a process that failed, signals as 128+n. */
  readonly exitCode?: number;
  /** Last lines that the failed process printed, without line ends. */
  readonly logTail?: readonly string[];
  /** File that holds the whole log of the failed step. */
  readonly logFile?: string;
  /** Name of the failed step, as the progress shows it. */
  readonly step?: string;
}

export interface BuildErrorOptions {
  /** What the user can do about it. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
}

/**
 * The one error that users see. Its message says what is wrong and where, `hint` what to do.
 * Lower layers throw facts; the frontend adds the source range, the solver the vertex, each once.
 */
export class BuildError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: BuildErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "BuildError";
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

/** The same error with more details; what is there already stays. */
export function withDetails(error: unknown, details: ErrorDetails): BuildError {
  const base = toBuildError(error);
  const merged = new BuildError(base.code, base.message, {
    hint: base.hint,
    cause: base.cause,
    details: { ...details, ...base.details },
  });
  if (base.stack !== undefined) merged.stack = base.stack;
  return merged;
}

/** Turns whatever was thrown into a BuildError; Node's system errors keep their class. */
export function toBuildError(error: unknown): BuildError {
  if (error instanceof BuildError) return error;
  if (error instanceof Error) {
    if (error.name === "AbortError") return new BuildError("canceled", "canceled", { cause: error });
    if (error instanceof RangeError && /call stack/.test(error.message))
      return new BuildError("resource-exhausted", "directories or values are nested too deep", {
        cause: error,
      });
    const { code } = error as NodeJS.ErrnoException;
    return new BuildError(codeOfErrno(code), systemMessage(error), { hint: hintOfErrno(code), cause: error });
  }
  return new BuildError("unknown", String(error));
}

/** `open /x/y: permission denied` instead of `EACCES: permission denied, open '/x/y'`. */
function systemMessage({ message, code, syscall, path }: NodeJS.ErrnoException): string {
  const prefix = `${code}: `;
  if (code === undefined || syscall === undefined || !message.startsWith(prefix)) return message;
  const end = message.lastIndexOf(`, ${syscall}`);
  if (end < 0) return message;
  const reason = message.slice(prefix.length, end);
  return path === undefined ? `${syscall}: ${reason}` : `${syscall} ${path}: ${reason}`;
}

function hintOfErrno(code: string | undefined): string | undefined {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return "make room (`stagewright prune` frees what no image needs), or choose another place for the store with --root";
    case "EROFS":
      return "choose a place that can be written to; the store's is set with --root or STAGEWRIGHT_ROOT";
    case "EMFILE":
      return "raise the limit of open files (`ulimit -n`)";
    default:
      return undefined;
  }
}

function codeOfErrno(code: string | undefined): ErrorCode {
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return "not-found";
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "permission-denied";
    case "EEXIST":
      return "already-exists";
    case "ENOSPC":
    case "EDQUOT":
    case "EMFILE":
      return "resource-exhausted";
    case "ECONNREFUSED":
    case "ECONNRESET":
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EPIPE":
      return "unavailable";
    case "ETIMEDOUT":
      return "deadline-exceeded";
    default:
      return "internal";
  }
}

/** What another program or a server says, fit to stand in a message: one line, no control characters, no novel. */
export function foreignText(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, 500);
}
