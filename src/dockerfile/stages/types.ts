import type { Platform, SourceRange } from "../../core/index.ts";
import type { ArgInstruction, FromInstruction, StageInstruction } from "../instructions/types.ts";
import type { Warning } from "../lint/rules.ts";
import type { Dockerfile } from "../parser/ast.ts";

/** A FROM and what follows it, as written. */
export interface StageSource {
  readonly index: number;
  /** Lower case. */
  readonly name: string | undefined;
  readonly from: FromInstruction;
  readonly instructions: readonly StageInstruction[];
}

/** A Dockerfile whose every instruction has been read and checked. */
export interface DockerfileStages {
  readonly dockerfile: Dockerfile;
  /** ARGs before the first FROM. */
  readonly globalArgs: readonly ArgInstruction[];
  /** At least one. */
  readonly stages: readonly StageSource[];
  readonly warnings: readonly Warning[];
}

/** Where a base or the files of a COPY or mount come from. */
export type StageReference =
  | { readonly kind: "stage"; readonly stage: number }
  | { readonly kind: "image"; readonly name: string }
  | { readonly kind: "context"; readonly name: string }
  | { readonly kind: "scratch" };

/** One use of something outside the stage: `COPY --from` or `RUN --mount=from=`. */
export interface StageSourceUse {
  readonly by: "copy" | "mount";
  readonly source: StageReference;
  /** As written. */
  readonly name: string;
  readonly instruction: StageInstruction;
  /** Which `--mount` of the RUN, counted from 0. */
  readonly mount?: number;
  readonly range: SourceRange;
}

/** Why a stage is built or not. */
export type StageReason =
  | { readonly kind: "target" }
  | { readonly kind: "all" }
  | { readonly kind: "base" | "copy" | "mount"; readonly stage: number; readonly line: number }
  | { readonly kind: "earlier"; readonly target: number }
  | { readonly kind: "not-needed"; readonly target: number };

/** A stage with its place in the graph. */
export interface Stage extends StageSource {
  /** What messages call it: its name, else `stage-<index>`. */
  readonly label: string;
  readonly base: StageReference;
  /** The base after expansion, as written otherwise (`debian:12`, `base`, `scratch`). */
  readonly baseName: string;
  /** `--platform` after expansion. */
  readonly platform?: Platform;
  /** A named context that stands in for the whole stage; its instructions are then not used. */
  readonly replacedBy?: string;
  /** ONBUILD triggers that its base runs here, before its own instructions. */
  readonly triggers: readonly StageInstruction[];
  readonly uses: readonly StageSourceUse[];
  readonly needed: boolean;
  readonly reason: StageReason;
  /** `reason` in words: `needed by stage 2 (line 7)`. */
  readonly reasonText: string;
  /** Global arguments that its FROM used. */
  readonly usedArgs: ReadonlySet<string>;
}

/** A stage whose base is known, but not yet who needs it. */
export type ConnectedStage = Omit<Stage, "needed" | "reason" | "reasonText">;

/** All stages of a Dockerfile, and which of them a target needs. */
export interface StageGraph {
  readonly stages: readonly Stage[];
  readonly target: number;
  /** Needed stages in the order of the file, which is an order of dependence. */
  readonly needed: readonly number[];
  /** The global scope: predefined platform arguments and ARGs before the first FROM, build arguments applied. */
  readonly globalArgs: ReadonlyMap<string, string>;
  readonly warnings: readonly Warning[];
}

/** What decides which stages are needed. */
export interface PlanOptions {
  /** Stage name, in any case, or number; the last stage when absent or empty. */
  readonly target?: string;
  /** Every stage up to the target is needed, as the classic builder had it. */
  readonly earlierStages?: boolean;
  /** `--build-arg`; a name without a value has been resolved by the caller. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Platform of the build machine and of the image; both this machine's when absent. */
  readonly buildPlatform?: Platform;
  readonly targetPlatform?: Platform;
  /** Whether a `--build-context` of this name exists; asked with stage names and expanded base and image names. */
  readonly namedContext?: (name: string) => boolean;
  /** Every stage counts as needed, as a check of the whole file wants it. */
  readonly allStages?: boolean;
  /** ONBUILD triggers that the configuration of a stage's base image holds, by stage number. */
  readonly triggers?: ReadonlyMap<number, readonly string[]>;
}
