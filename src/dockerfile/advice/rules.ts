import type { SourceRange } from "../../core/index.ts";
import type { StageInstruction } from "../instructions/types.ts";

/** Rules of stagewright's own about how stages are used. Each has a page in docs/rules. */
export const adviceRules = {
  StageByNumber: "Stages should be referred to by name",
  WholeStageCopied: "Only what the image runs should be copied from a build stage",
  BuildToolsInImage: "Build tools should not stay in the image",
  SourcesInImage: "Sources should not stay in the image that is built from them",
  CopyBeforeInstall: "Dependencies should be installed before the whole context is copied",
  UnusedStage: "Every stage should be used",
  LargeSingleStage: "A large image with a build step should have a build stage",
} as const;

/** The name of a rule of `adviceRules`. */
export type AdviceName = keyof typeof adviceRules;

/** What a build can tell of the price of a mistake. */
export type Cost =
  /** The layer that the step made. */
  | { readonly kind: "layer"; readonly instruction: StageInstruction }
  /** How long the step ran. */
  | { readonly kind: "time"; readonly instruction: StageInstruction }
  /** The image that the stage starts from. */
  | { readonly kind: "base" }
  | { readonly kind: "image" };

/** A mistake in how the stages are cut. It never breaks a build. */
export interface Advice {
  readonly rule: AdviceName;
  readonly message: string;
  readonly ranges: readonly SourceRange[];
  readonly stage: number;
  /** Comments above the place: one of them may switch the rule off. */
  readonly comments: readonly string[];
  readonly cost?: Cost;
}
