import type { Digest, Platform, SourceRange } from "../core/index.ts";
import type { Dockerfile, StageGraph, StageInstruction } from "../dockerfile/index.ts";
import type { LlbEdge } from "../llb/index.ts";
import type { ImageConfig } from "./image-config.ts";

/** What the frontend needs from its surroundings. */
export interface Bridge {
  /**
   * Looks up an image's configuration. Called once for each image and platform that the target needs, never for a
   * stage that is left out. `ref` is normalised (`docker.io/library/alpine:3`) or names an OCI layout's image.
   * Throws `not-found` when there is no such image.
   */
  resolveImage(ref: string, request: ResolveRequest): Promise<ResolvedImage>;
}

/** How an image is looked up. */
export interface ResolveRequest {
  readonly platform: Platform;
  /** How the progress calls the look-up: `[internal] load metadata for …`. */
  readonly name: string;
  /** Digest that the look-up has in the progress, as if it were a vertex. */
  readonly vertex: Digest;
  readonly resolveMode: ImageResolveMode;
  /** Set when the image comes from an OCI layout that the caller lends. */
  readonly ociStore?: string;
}

/** An image that was looked up. */
export interface ResolvedImage {
  /** Normalised reference, possibly another one than was asked for. */
  readonly ref: string;
  /** What `ref` points to (an index or a manifest); the source is fixed to it. */
  readonly digest?: Digest;
  /** The image configuration as JSON. */
  readonly config: Uint8Array;
}

/** `pull` asks the registry even when the image is here; `local` prefers what is here. */
export type ImageResolveMode = "default" | "pull" | "local";

/** What `--build-context NAME=…` stands for. */
export type NamedContext =
  /** An image, or the empty one for `scratch`. */
  | { readonly kind: "image"; readonly ref: string }
  /** A directory of the caller, known to the `local://` source as `name`. */
  | { readonly kind: "local"; readonly name: string; readonly excludePatterns: readonly string[] }
  /** An image in an OCI layout, or another store of images, that the caller lends as `store`. */
  | { readonly kind: "oci-layout"; readonly store: string; readonly digest?: Digest }
  /** Files that lie elsewhere; the name of a step says for which context they are fetched. */
  | { readonly kind: "remote"; source(key: string): LlbEdge };

/** What is built from a Dockerfile, and for whom. */
export interface FrontendOptions {
  /** The Dockerfile's name as the user gave it; used in errors, warnings and source maps. */
  readonly file: string;
  /** Stage to stop at, by name or number; the last one when absent. */
  readonly target?: string;
  /** Every stage is converted, needed or not: for checks, not for builds. */
  readonly allStages?: boolean;
  /** Every stage up to the target is converted, needed or not, and the result tells of each instruction. */
  readonly eachStep?: boolean;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Set on the final image only. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Platform asked for. Absent: the build platform, and bases may deviate from it. */
  readonly platform?: Platform;
  /** Platform of the machine that builds. Absent: this one. */
  readonly buildPlatform?: Platform;
  /** Several platforms are built together: names carry the platform. */
  readonly multiPlatform?: boolean;
  /** For RUN without `--network`. */
  readonly network?: "default" | "none" | "host";
  /** `true`, or the names of the stages that ignore the cache. */
  readonly noCache?: boolean | readonly string[];
  readonly imageResolveMode?: ImageResolveMode;
  /** Keys are normalised image names or stage names, as in `--build-context`. */
  readonly namedContexts?: ReadonlyMap<string, NamedContext>;
  /** Where the main context comes from, when that is not the directory lent as `context`. */
  readonly mainContext?: LlbEdge;
  /** Lines of `.dockerignore`, cleaned. */
  readonly excludePatterns?: readonly string[];
  /** `local.session` of local sources. BuildKit's is random; any fixed text gives stable digests. */
  readonly sessionId?: string;
  readonly hostname?: string;
  readonly extraHosts?: readonly { readonly host: string; readonly ip: string }[];
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  /** Bytes; 0 or absent: the executor's default. */
  readonly shmSize?: number;
  readonly cgroupParent?: string;
  /**
   * What RUN may ask for beyond the usual, by BuildKit's names (`network.host`, `security.insecure`). Absent: whoever solves
   * the graph decides.
   */
  readonly entitlements?: ReadonlySet<string>;
  /** Separates the cache mounts of different projects. */
  readonly cacheNamespace?: string;
  /**
   * Capabilities of the solver, by BuildKit's names (`mergeop`, `exec.mount.secret`). What a Dockerfile needs beyond
   * them is refused with its line. Absent: `defaultCapabilities`.
   */
  readonly capabilities?: ReadonlySet<string>;
  /** Seconds since the epoch; stamps history and the files that COPY and WORKDIR make as BuildKit does. */
  readonly sourceDateEpoch?: number;
}

/** A Dockerfile as a graph of operations, with what the image needs beside its layers. */
export interface FrontendResult {
  /** The target's root filesystem; `undefined` is the empty one. */
  readonly edge: LlbEdge | undefined;
  /** Configuration of the image, history included, without layers and created times of the new entries. */
  readonly config: ImageConfig;
  /**
   * For each entry of `config.history` that this build added and that has a layer: the vertex that made the layer,
   * whose cache record knows when. `undefined` for entries of the base image and for empty layers.
   */
  readonly historyVertices: readonly (Digest | undefined)[];
  /** Every stage of the file, in its order. */
  readonly stages: readonly StageResult[];
  /** What each instruction made of its stage, in the order of the file; empty unless `eachStep` is set. */
  readonly steps: readonly StepResult[];
  /** Index of the target in `stages`. */
  readonly target: number;
  readonly platform: Platform;
  /** Configuration of the image that the target's chain of stages starts from, as JSON. */
  readonly baseConfig?: Uint8Array;
  readonly warnings: readonly FrontendWarning[];
  readonly definition: ReadDefinition;
}

/** The Dockerfile as it was understood. */
export interface ReadDefinition {
  readonly dockerfile: Dockerfile;
  readonly graph: StageGraph;
  /** The root filesystem behind an instruction that changed files; `undefined` for any other. */
  readonly made: (instruction: StageInstruction) => LlbEdge | undefined;
}

/** What became of one stage. */
export interface StageResult {
  readonly index: number;
  /** As written after AS, or empty. */
  readonly name: string;
  /** `name`, else the number: what `--target` and `--from` take. */
  readonly label: string;
  /** What FROM names, after expansion of arguments: an image, a stage, `scratch`. */
  readonly baseName: string;
  readonly needed: boolean;
  /** Why it is left out; empty when it is needed. */
  readonly reason: string;
  /** Final root filesystem; `undefined` when it is empty or the stage is left out. */
  readonly edge: LlbEdge | undefined;
  readonly config?: ImageConfig;
}

/** One instruction of the file, and what its stage was after it. */
export interface StepResult {
  /** As written, continued lines joined. */
  readonly text: string;
  /** Absent for an ARG before the first FROM. */
  readonly state?: StepState;
  /** What FROM begins with; absent for other instructions. */
  readonly base?: StepBase;
  /** Of a FROM: the triggers of its base, which run as part of it. */
  readonly triggers: readonly StepResult[];
}

/** A stage after some of its instructions: what an image of it would be made of. */
export interface StepState {
  readonly stage: number;
  readonly edge: LlbEdge | undefined;
  readonly config: ImageConfig;
  readonly historyVertices: readonly (Digest | undefined)[];
  /** Configuration of the image that the stage's chain of stages starts from, as JSON. */
  readonly baseConfig?: Uint8Array;
  /** The vertex of the process, when the instruction was a RUN. */
  readonly process?: Digest;
  readonly ignoreCache: boolean;
}

export type StepBase =
  | { readonly kind: "stage"; readonly stage: number }
  /** `id` is the digest of its configuration. */
  | { readonly kind: "image"; readonly id: Digest }
  | { readonly kind: "scratch" | "other" };

/** A finding of the linter, or of the conversion. */
export interface FrontendWarning {
  /** Name of the check rule (`UndefinedVar`). */
  readonly rule?: string;
  readonly message: string;
  readonly ranges: readonly SourceRange[];
  readonly url?: string;
}
