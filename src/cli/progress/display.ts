import type { BuildEvent } from "../../core/index.ts";

/** Shows the events of one build to somebody. */
export interface Display {
  event(event: BuildEvent): void;
  /** The build was asked to end, and waits for its steps. */
  stopping?(): void;
  /** The build is over: what is on screen becomes final. Nothing may follow. */
  end(): void;
}

/** Where a display writes; a file descriptor, so that what is written is out before the process exits. */
export interface Terminal {
  write(text: string): void;
  /** Width and height in characters; undefined when this is no terminal. */
  readonly size: () => { readonly columns: number; readonly rows: number } | undefined;
  readonly color: boolean;
}
