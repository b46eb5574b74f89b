import type { Digest } from "./digest.ts";
import type { SourceRange } from "./source-range.ts";

/**
 * What happens during a build, in the shape of BuildKit's `SolveStatus`. Displays and callers of the library are only
 * readers of this stream. Times are milliseconds since the epoch.
 */
export type BuildEvent = VertexEvent | StatusEvent | LogEvent | WarningEvent | InstructionEvent;

/** State of a vertex; a later event for the same digest replaces the earlier one. */
export interface VertexEvent {
  readonly kind: "vertex";
  readonly digest: Digest;
  readonly name: string;
  readonly inputs: readonly Digest[];
  readonly started?: number;
  readonly completed?: number;
  readonly cached?: boolean;
  readonly error?: string;
  /** A vertex that the user did not write, such as loading the build definition. */
  readonly internal?: boolean;
}

/** Progress inside a vertex (`transferring context: 2B`). `id` is what is shown. */
export interface StatusEvent {
  readonly kind: "status";
  readonly vertex: Digest;
  readonly id: string;
  /** Bytes, or 0 where there is nothing to count. */
  readonly current: number;
  /** Bytes, 0 when not known. */
  readonly total: number;
  readonly timestamp: number;
  readonly started?: number;
  readonly completed?: number;
}

/** Output of a step: `stream` 1 is stdout, 2 stderr. `data` belongs to the reader. */
export interface LogEvent {
  readonly kind: "log";
  readonly vertex: Digest;
  readonly stream: 1 | 2;
  readonly data: Uint8Array;
  readonly timestamp: number;
}

export interface WarningEvent {
  readonly kind: "warning";
  readonly vertex?: Digest;
  /** 1 for what matters most. */
  readonly level: number;
  /** Name of the check rule where there is one (`FromAsCasing`). */
  readonly rule?: string;
  readonly short: string;
  readonly detail?: readonly string[];
  readonly url?: string;
  readonly file?: string;
  readonly ranges?: readonly SourceRange[];
}

/**
 * An instruction of a build by the classic builder's schedule (`schedule: "legacy"`): told when it begins, and again, with
 * `done`, when it is over. Other builds have no such events.
 */
export interface InstructionEvent {
  readonly kind: "instruction";
  /** From 1, of `total`; a trigger has the number of its FROM. */
  readonly number: number;
  readonly total: number;
  /** As written, continued lines joined. */
  readonly text: string;
  /** It comes from an ONBUILD of the base. */
  readonly trigger?: boolean;
  /** How many triggers of its base a FROM runs. */
  readonly triggers: number;
  /** The vertex whose output is that of the instruction's process. */
  readonly process?: Digest;
  readonly done?: {
    /** Id of the image that the stage is now; absent for `scratch`. */
    readonly image?: Digest;
    readonly cached: boolean;
  };
}

export type EventSink = (event: BuildEvent) => void;
