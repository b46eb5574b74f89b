import type { Flag } from "../command.ts";

/** A word that would fit, with what it means. */
export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** What is known of a command line that is still being written. */
export interface PartialCall {
  readonly args: readonly string[];
  readonly values: ReadonlyMap<string, string>;
  /** The flag that waits for its value. */
  readonly open: Flag | undefined;
  /** A word with a dash is an argument here. */
  readonly onlyArguments: boolean;
}
