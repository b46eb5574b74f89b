import type { StageInstruction } from "../dockerfile/index.ts";

/** What a conversion may look at beside the Dockerfile: files of the build context. */
export interface ContextFiles {
  /** Text of a file; undefined when there is none. */
  read(path: string): string | undefined;
  /** Whether a file or directory is there. */
  has(path: string): boolean;
}

/** A Dockerfile in several stages, made from one in one. */
export interface Conversion {
  readonly text: string;
  /** What was done and what to look at, in sentences. */
  readonly notes: readonly string[];
}

/** The single stage as a recipe sees it. */
export interface SingleStage {
  /** The base as written. */
  readonly base: string;
  readonly instructions: readonly StageInstruction[];
  /** The RUN that compiles or bundles; the last one of them. */
  readonly build: StageInstruction & { readonly kind: "run" };
  /** Directory that the build step runs in. */
  readonly directory: string;
  /** Directory that the image's program starts in. */
  readonly home: string;
  /** The program and arguments that the image runs, of ENTRYPOINT and CMD together. */
  readonly command: readonly string[];
  readonly files: ContextFiles;
}

/** What a language's build needs to become two stages. */
export interface Plan {
  readonly language: string;
  /** What the shipped stage starts from. */
  readonly runtime: string;
  /** Paths to copy from the build stage, absolute, directories too; they keep their places. */
  readonly artefacts: readonly string[];
  /** Manifests in the context that dependencies are installed from. Empty: the order of the steps stays. */
  readonly manifests: readonly string[];
  /** A step of its own that fetches dependencies, when the build step would. */
  readonly fetch?: string;
  /** A step behind the build step. */
  readonly after?: string;
  /** Changes the text of the build step. */
  readonly rewriteBuild?: (text: string) => string;
  readonly notes: readonly string[];
}

/** Makes a plan for a language; undefined when it is another one. Throws the reason why it cannot be converted. */
export type Recipe = (stage: SingleStage) => Plan | undefined;
