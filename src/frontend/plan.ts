import { withoutLogins } from "../core/index.ts";
import type { StageReason, StageReference } from "../dockerfile/index.ts";
import { planGraph } from "./frontend.ts";
import { readDockerfile } from "./read.ts";
import type { FrontendOptions } from "./types.ts";

/** The stage graph as `plan` shows it: nothing has been looked up or run. Plain data, fit for JSON. */
export interface BuildPlan {
  readonly target: number;
  readonly stages: readonly PlannedStage[];
}

/** One stage of a plan, needed or not. */
export interface PlannedStage {
  readonly index: number;
  /** As written after AS, or empty. */
  readonly name: string;
  /** Line of its FROM. */
  readonly line: number;
  readonly base: StageReference;
  readonly baseName: string;
  readonly needed: boolean;
  readonly reason: StageReason;
  readonly reasonText: string;
  readonly steps: readonly { readonly line: number; readonly text: string }[];
  /** What it copies or mounts from elsewhere. */
  readonly uses: readonly {
    readonly by: "copy" | "mount";
    readonly source: StageReference;
    readonly line: number;
  }[];
}

/** Plans a build. Triggers of base images are not known, because no image is looked at. */
export function planDockerfile(content: Uint8Array | string, options: FrontendOptions): BuildPlan {
  const graph = planGraph(readDockerfile(content, options.file), options);
  return {
    target: graph.target,
    stages: graph.stages.map((stage) => ({
      index: stage.index,
      name: stage.name ?? "",
      line: stage.from.range.start.line,
      base: stage.base,
      baseName: stage.baseName,
      needed: stage.needed,
      reason: stage.reason,
      reasonText: stage.reasonText,
      steps: stage.instructions.map(({ code, range }) => ({
        line: range.start.line,
        text: withoutLogins(code),
      })),
      uses: stage.uses.map(({ by, source, range }) => ({ by, source, line: range.start.line })),
    })),
  };
}
