import type { Digest, Platform, SourceRange } from "../core/index.ts";
import type { ArgDeclaration, Dockerfile, StageInstruction, Warning } from "../dockerfile/index.ts";
import type { LlbEdge, ProxyEnv, SourceFile } from "../llb/index.ts";
import type { ContainerConfig, ImageConfig } from "./image-config.ts";
import type { FrontendOptions } from "./types.ts";

/** What a stage has become after some of its instructions. Immutable: each instruction makes a new one. */
export interface StageState {
  /** Root filesystem; `undefined` is empty. */
  readonly edge: LlbEdge | undefined;
  /** Variables that RUN sees: the image's and those of ARG. A key that is set again moves to the end. */
  readonly env: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly user: string;
  /** Platform of the base's root filesystem; absent below `scratch`, where processes run on the target's. */
  readonly rootPlatform?: Platform;
  /** Platform of the stage. */
  readonly platform: Platform;
  readonly image: ImageConfig;
  /** One for each entry of `image.history`. */
  readonly historyVertices: readonly (Digest | undefined)[];
  /** ARGs so far, those of the stages below included; they show in the history of RUN. */
  readonly args: readonly Pick<ArgDeclaration, "key" | "value">[];
  /** Of CMD, ENTRYPOINT and HEALTHCHECK, the last one of this stage so far: the next one makes it useless. */
  readonly last: Readonly<Partial<Record<"cmd" | "entrypoint" | "healthcheck", SourceRange>>>;
  /** A WORKDIR stood in this stage or one below. */
  readonly workdirSet: boolean;
  /** Steps that have been named. */
  readonly stepsNamed: number;
}

/** What stays the same for all instructions of a stage. */
export interface StageContext {
  readonly build: BuildContext;
  /** As the names of steps show it; empty when it is the only one. */
  readonly label: string;
  readonly stepCount: number;
  readonly ignoreCache: boolean;
  readonly notes: StageNotes;
  /** Paths of the stage's own root filesystem that the build uses; shared with the stages it is based on. */
  readonly paths: Set<string>;
  /** Where `COPY --from` or the n-th `--mount` of an instruction finds its files. */
  source(instruction: StageInstruction, mount?: number): FileSource;
}

/** Something to copy or mount from. `paths` collects what is used of it. */
export interface FileSource {
  readonly edge: LlbEdge | undefined;
  readonly paths: Set<string>;
}

/** What stays the same for the whole build. */
export interface BuildContext {
  readonly options: FrontendOptions;
  readonly dockerfile: Dockerfile;
  readonly sourceFile: SourceFile;
  readonly targetPlatform: Platform;
  readonly globalArgs: ReadonlyMap<string, string>;
  readonly proxyEnv: ProxyEnv | undefined;
  readonly capabilities: ReadonlySet<string>;
  /** The main context; `paths` collects what the Dockerfile takes from it. */
  readonly mainContext: FileSource;
  /** Whether `.dockerignore` excludes a path; says no when it has exceptions, for then more than the path counts. */
  isIgnored(path: string): boolean;
  warn(warning: Warning): void;
  /** What the stages declare, by their number. */
  readonly notes: Map<number, StageNotes>;
}

/** What a stage declares and a user may want to give: an outline shows it. */
export interface StageNotes {
  readonly args: DeclaredArg[];
  readonly secrets: LentThing[];
  readonly sshAgents: LentThing[];
}

/** An ARG of a stage. */
export interface DeclaredArg extends Pick<ArgDeclaration, "key" | "value" | "doc"> {
  /** Its value comes from the ARG of that name before the first FROM. */
  readonly global: boolean;
  readonly range: SourceRange;
}

/** A secret or an ssh agent that a RUN asks for. */
export interface LentThing {
  readonly id: string;
  readonly required: boolean;
  readonly range: SourceRange;
}

/** The instruction being converted. */
export interface Step<I extends StageInstruction = StageInstruction> {
  /** Variables expanded, but for those that the instruction has rules of its own for. */
  readonly instruction: I;
  /** As in the stage graph. */
  readonly original: StageInstruction;
  readonly stage: StageContext;
  /** It comes from an ONBUILD of the base. */
  readonly onbuild: boolean;
  /** Where errors and source maps point: the instruction, or FROM for a trigger. */
  readonly range: SourceRange;
}

/** The state with more variables for RUN. */
export function withVariables(
  state: StageState,
  pairs: Iterable<{ readonly key: string; readonly value: string }>,
): StageState {
  const env = new Map(state.env);
  for (const { key, value } of pairs) {
    env.delete(key);
    env.set(key, value);
  }
  return { ...state, env };
}

/** The state with another container configuration; keys set to `undefined` are removed. */
export function withConfig(
  state: StageState,
  change: { readonly [K in keyof ContainerConfig]?: ContainerConfig[K] | undefined },
): StageState {
  const config: Record<string, unknown> = { ...state.image.config, ...change };
  for (const key of Object.keys(change)) if (config[key] === undefined) delete config[key];
  return { ...state, image: { ...state.image, config: config as ContainerConfig } };
}

/** Adds an instruction without layer to the history. */
export function commit(state: StageState, context: BuildContext, createdBy: string): StageState {
  return addHistory(state, context, createdBy, undefined);
}

/** Adds an instruction whose layer is the state's root filesystem. */
export function commitLayer(state: StageState, context: BuildContext, createdBy: string): StageState {
  return addHistory(state, context, createdBy, state.edge?.vertex.digest);
}

function addHistory(
  state: StageState,
  { options }: BuildContext,
  createdBy: string,
  vertex: Digest | undefined,
): StageState {
  const epoch = options.sourceDateEpoch;
  const entry = {
    ...(epoch !== undefined && { created: rfc3339(epoch) }),
    created_by: createdBy,
    comment: "buildkit.dockerfile.v0",
    ...(vertex === undefined && { empty_layer: true }),
  };
  return {
    ...state,
    image: { ...state.image, history: [...state.image.history, entry] },
    historyVertices: [...state.historyVertices, vertex],
  };
}

function rfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
