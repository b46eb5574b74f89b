import {
  type BuildError,
  createIgnoreMatcher,
  type Digest,
  hostPlatform,
  type Platform,
} from "../core/index.ts";
import {
  checkOptionsOf,
  type Dockerfile,
  type DockerfileStages,
  errorAt,
  planStages,
  readStages,
  type StageGraph,
  type StageInstruction,
  shownWarnings,
  type Warning,
} from "../dockerfile/index.ts";
import { type LlbEdge, type LlbVertex, type ProxyEnv, unifyVertices } from "../llb/index.ts";
import { argumentSettings, argumentWarnings } from "./build-arguments.ts";
import { defaultCapabilities } from "./capabilities.ts";
import { finalConfig } from "./final-config.ts";
import { normalisePlatform } from "./image.ts";
import { findContext, type Origin, type Origins, resolveOrigins } from "./origins.ts";
import { parseOwnSyntax } from "./read.ts";
import { refuseEmptyCommands } from "./refuse.ts";
import { mainContextSource } from "./sources.ts";
import type { BuildContext, StageState } from "./stage-state.ts";
import {
  convertStages,
  noPaths,
  rootStage,
  type StepObserver,
  stagePaths,
  type UsedPaths,
} from "./stages.ts";
import { collectSteps, type StepCollector } from "./steps.ts";
import type { Bridge, FrontendOptions, FrontendResult, StageResult } from "./types.ts";
import { unusedArguments } from "./unused-arguments.ts";

/**
 * Turns a Dockerfile into LLB: byte for byte what BuildKit's own frontend makes of it. Only what the target needs is
 * looked up through `bridge`. Throws a BuildError with the place in the file for everything that is wrong with
 * it, and `unimplemented` for what it asks for and the solver cannot do.
 */
export async function dockerfileToLlb(
  content: Uint8Array | string,
  options: FrontendOptions,
  bridge: Bridge,
): Promise<FrontendResult> {
  const warnings: Warning[] = [];
  const dockerfile = parseOwnSyntax(content, options.file, options.buildArgs);
  const checks = checkOptionsOf(dockerfile, options.buildArgs?.[checkArgument]);
  const converted = await convertDockerfile(dockerfile, content, options, bridge, warnings);
  const { source, graph, origins, states, build, steps } = converted;
  const final = states.get(graph.target)!;
  const baseConfig = baseConfigOf(graph, origins);
  const [root, ...others] = [final.edge, ...(steps?.edges() ?? [])].filter((edge) => edge !== undefined);
  const vertices: ReadonlyMap<Digest, LlbVertex> =
    root === undefined ? new Map() : unifyVertices(root, others).vertices;
  const shown = shownWarnings(warnings, dockerfile, checks);
  if (shown.length > 0 && checks.error) throw lintFailure(source, shown);
  refuseEmptyCommands(vertices);
  const asked = options.platform && build.targetPlatform;
  return {
    edge: final.edge && unifiedEdge(final.edge, vertices),
    config: finalConfig(final.image, options.labels ?? {}, asked),
    historyVertices: final.historyVertices,
    stages: graph.stages.map((stage) => stageResult(stage, states.get(stage.index), vertices)),
    steps:
      steps?.results({
        edge: (edge) => unifiedEdge(edge, vertices),
        config: (image) => finalConfig(image, {}, asked),
      }) ?? [],
    target: graph.target,
    platform: build.targetPlatform,
    ...(baseConfig !== undefined && { baseConfig }),
    warnings: [
      ...shown,
      ...argumentWarnings(options.buildArgs),
      ...unusedArguments(source, options.buildArgs ?? {}),
    ],
    definition: { dockerfile, graph, made: (instruction) => madeBy(instruction, converted, vertices) },
  };
}

function madeBy(
  instruction: StageInstruction,
  { made }: ConvertedDockerfile,
  vertices: ReadonlyMap<Digest, LlbVertex>,
): LlbEdge | undefined {
  const edge = made.get(instruction);
  return edge === undefined ? undefined : unifiedEdge(edge, vertices);
}

/** Build argument that replaces the file's `check` directive. */
export const checkArgument = "BUILDKIT_DOCKERFILE_CHECK";

/** A Dockerfile whose needed stages have been converted. */
export interface ConvertedDockerfile {
  readonly source: DockerfileStages;
  readonly graph: StageGraph;
  readonly origins: Origins;
  /** By stage number, for the needed ones. */
  readonly states: ReadonlyMap<number, StageState>;
  readonly build: BuildContext;
  /** Root filesystems behind the instructions that change files. */
  readonly made: ReadonlyMap<StageInstruction, LlbEdge>;
  /** What each instruction gave, where the caller wants to know. */
  readonly steps?: StepCollector;
}

/** Converts the needed stages. `warnings` gets all that is noticed, also when it throws in between. */
export async function convertDockerfile(
  dockerfile: Dockerfile,
  content: Uint8Array | string,
  options: FrontendOptions,
  bridge: Bridge,
  warnings: Warning[],
): Promise<ConvertedDockerfile> {
  const source = readStages(dockerfile, warnings);
  const { graph, origins } = await resolveGraph(source, options, bridge, warnings);
  const used = noPaths();
  // Once to learn which paths are used, once with them: see `UsedPaths`. A mistake ends the first pass already.
  const found: Warning[] = [];
  try {
    convertStages(graph, origins, buildContext(source, graph, options, used, content, found), used);
  } catch (error) {
    warnings.push(...found);
    throw error;
  }
  // The whole of the target is used: by whoever asked for it.
  stagePaths(graph.stages[graph.target]!, graph, used).add("/");
  const build = buildContext(source, graph, options, used, content, warnings);
  const steps = options.eachStep ? collectSteps(source, graph, origins) : undefined;
  const made = new Map<StageInstruction, LlbEdge>();
  const states = convertStages(graph, origins, build, used, noting(made, steps?.observe));
  return { source, graph, origins, states, build, made, ...(steps && { steps }) };
}

/** Notes what each instruction that changes files made of its stage. */
function noting(made: Map<StageInstruction, LlbEdge>, next?: StepObserver): StepObserver {
  let before: LlbEdge | undefined;
  return (stage, state, how) => {
    const { edge } = state;
    if (how.instruction !== undefined && edge !== undefined && edge !== before)
      made.set(how.instruction, edge);
    before = edge;
    next?.(stage, state, how);
  };
}

function targetPlatformOf(options: FrontendOptions): Platform {
  return normalisePlatform(options.platform ?? options.buildPlatform ?? hostPlatform());
}

/** The stage graph, without looking anything up. */
export function planGraph(
  source: DockerfileStages,
  options: FrontendOptions,
  triggers?: ReadonlyMap<number, readonly string[]>,
  warnings?: Warning[],
): StageGraph {
  const platform = targetPlatformOf(options);
  const planOptions = {
    ...(options.target !== undefined && { target: options.target }),
    ...(options.eachStep && { earlierStages: true }),
    buildArgs: options.buildArgs ?? {},
    buildPlatform: options.buildPlatform ?? hostPlatform(),
    targetPlatform: platform,
    namedContext: (name: string) => findContext(options.namedContexts, name, platform) !== undefined,
    ...(triggers !== undefined && { triggers }),
    ...(options.allStages && { allStages: true }),
  };
  return planStages(source, planOptions, warnings);
}

/** Looks up the bases; triggers that they hold may need more stages, and those more bases. */
async function resolveGraph(
  source: DockerfileStages,
  options: FrontendOptions,
  bridge: Bridge,
  warnings: Warning[],
): Promise<{ graph: StageGraph; origins: Origins }> {
  const platform = targetPlatformOf(options);
  const before = warnings.length;
  const known = new Map<string, Promise<Origin>>();
  const triggers = new Map<number, readonly string[]>();
  for (;;) {
    warnings.length = before;
    const graph = planGraph(source, options, triggers, warnings);
    const origins = await resolveOrigins(graph, source.dockerfile, options, platform, bridge, known);
    const triggersBefore = triggers.size;
    for (const [index, origin] of origins.stages) {
      const onbuild = origin.kind === "image" ? (origin.image.config.OnBuild ?? []) : [];
      if (onbuild.length > 0 && graph.stages[index]!.replacedBy === undefined) triggers.set(index, onbuild);
    }
    if (triggers.size === triggersBefore) return { graph, origins };
  }
}

function buildContext(
  source: DockerfileStages,
  graph: StageGraph,
  options: FrontendOptions,
  used: UsedPaths,
  content: Uint8Array | string,
  warnings: Warning[],
): BuildContext {
  return {
    options: { ...options, ...argumentSettings(options.buildArgs) },
    dockerfile: source.dockerfile,
    sourceFile: {
      filename: options.file,
      data: typeof content === "string" ? Buffer.from(content) : content,
      language: "Dockerfile",
    },
    targetPlatform: targetPlatformOf(options),
    globalArgs: graph.globalArgs,
    proxyEnv: proxyEnvOf(options.buildArgs ?? {}),
    capabilities: options.capabilities ?? defaultCapabilities,
    mainContext: mainContextSource(options, used.context),
    isIgnored: ignoreCheck(options.excludePatterns ?? []),
    warn: (warning) => warnings.push(warning),
    notes: new Map(),
  };
}

/** The root is excluded only by patterns for everything. Throws for a pattern that is none, as BuildKit does. */
function ignoreCheck(patterns: readonly string[]): (path: string) => boolean {
  if (patterns.length === 0) return () => false;
  const matcher = createIgnoreMatcher(patterns);
  if (matcher.hasExceptions) return () => false;
  const everything = patterns.some((pattern) => /^(\*|\*\*|\*\*\/\*)$/.test(pattern));
  return (path) => (path === "." || path === "/" ? everything : matcher.excludes(path));
}

/** Proxies reach every RUN without an ARG, and leave no trace in the image. Of two spellings the last one wins. */
function proxyEnvOf(buildArgs: Readonly<Record<string, string>>): ProxyEnv | undefined {
  const names = new Map([
    ["http_proxy", "httpProxy"],
    ["https_proxy", "httpsProxy"],
    ["ftp_proxy", "ftpProxy"],
    ["no_proxy", "noProxy"],
    ["all_proxy", "allProxy"],
  ] as const);
  const proxy = { httpProxy: "", httpsProxy: "", ftpProxy: "", noProxy: "", allProxy: "" };
  let found = false;
  for (const key of Object.keys(buildArgs).sort()) {
    const name = (names as ReadonlyMap<string, keyof ProxyEnv>).get(key.toLowerCase());
    if (name === undefined) continue;
    proxy[name] = buildArgs[key]!;
    found = true;
  }
  return found ? proxy : undefined;
}

function stageResult(
  stage: StageGraph["stages"][number],
  state: StageState | undefined,
  vertices: ReadonlyMap<Digest, LlbVertex>,
): StageResult {
  return {
    index: stage.index,
    name: stage.name ?? "",
    label: stage.name ?? String(stage.index),
    baseName: stage.baseName,
    needed: stage.needed,
    reason: stage.needed ? "" : stage.reasonText,
    edge: state?.edge && unifiedEdge(state.edge, vertices),
    ...(state !== undefined && { config: state.image }),
  };
}

/** The edge in the target's graph, which has one object for each vertex. */
function unifiedEdge({ vertex, index }: LlbEdge, vertices: ReadonlyMap<Digest, LlbVertex>): LlbEdge {
  return { vertex: vertices.get(vertex.digest) ?? vertex, index };
}

function baseConfigOf(graph: StageGraph, origins: Origins): Uint8Array | undefined {
  const origin = origins.stages.get(rootStage(graph.stages[graph.target]!, graph).index);
  return origin?.kind === "image" ? origin.configBytes : undefined;
}

/** What `# check=error=true` asks for. */
export function lintFailure({ dockerfile }: DockerfileStages, warnings: readonly Warning[]): BuildError {
  const rules = [...new Set(warnings.map(({ rule }) => rule))].sort();
  return errorAt(
    dockerfile.source,
    warnings.flatMap(({ ranges }) => ranges),
    "failed-precondition",
    `lint violation found for rules: ${rules.join(", ")}`,
    { hint: warnings.map(({ rule, message }) => `${rule}: ${message}`).join("\n") },
  );
}
