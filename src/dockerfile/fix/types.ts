import type { AdviceName } from "../advice/rules.ts";
import type { RuleName } from "../lint/rules.ts";
import type { TextEdit } from "../parser/print.ts";
import type { DockerfileStages } from "../stages/types.ts";

/** One mistake mended: all of its edits belong together. */
export interface Fix {
  readonly rule: RuleName | AdviceName;
  /** Line of the instruction that the check warned of. */
  readonly line: number;
  readonly edits: readonly TextEdit[];
}

/** What fixes have to know beyond the file. */
export interface FixContext {
  readonly source: DockerfileStages;
  /**
   * Whether a stage is known to inherit no ENTRYPOINT: only then does a CMD in JSON form run as the same program as
   * in shell form.
   */
  readonly hasNoEntrypoint: (stage: number) => boolean;
}

/** Proposes what can be mended safely; which of it is wanted is for the caller to say. */
export type Fixer = (context: FixContext) => Fix[];
