import {
  type BuildError,
  createIgnoreMatcher,
  type Digest,
  hostPlatform,
  type Platform,
} from "../core/index.ts";
import {
  checkOptionsOf,
  type DockerfileStages,
  detectSyntax,
  errorAt,
  parseDockerfile,
  planStages,
  readStages,
  type StageGraph,
  shownWarnings,
  type Warning,
} from "../dockerfile/index.ts";
import { type LlbEdge, type LlbVertex, type ProxyEnv, unifyVertices } from "../llb/index.ts";
import { defaultCapabilities } from "./capabilities.ts";
import { normalisePlatform, platformOf, withPlatform } from "./image.ts";
import type { ImageConfig } from "./image-config.ts";
import { findContext, type Origin, type Origins, resolveOrigins } from "./origins.ts";
import { joinPath } from "./paths.ts";
import { mainContextSource } from "./sources.ts";
import type { BuildContext, StageState } from "./stage-state.ts";
import { convertStages, noPaths, rootStage, stagePaths, type UsedPaths } from "./stages.ts";
import type { Bridge, FrontendOptions, FrontendResult, FrontendWarning, StageResult } from "./types.ts";
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
  const source = readDockerfile(content, options.file);
  const { graph, origins } = await resolveGraph(source, options, bridge);
  const targetPlatform = targetPlatformOf(options);
  const warnings: Warning[] = [];
  const used = noPaths();
  // Once to learn which paths are used, once with them: see `UsedPaths`.
  convertStages(
    graph,
    origins,
    buildContext(source, graph, options, used, content, () => {}),
    used,
  );
  // The whole of the target is used: by whoever asked for it.
  stagePaths(graph.stages[graph.target]!, graph, used).add("/");
  const build = buildContext(source, graph, options, used, content, (warning) => warnings.push(warning));
  const states = convertStages(graph, origins, build, used);
  const final = states.get(graph.target)!;
  const baseConfig = baseConfigOf(graph, origins);
  const unified = final.edge === undefined ? undefined : unifyVertices(final.edge);
  const vertices: ReadonlyMap<Digest, LlbVertex> = unified?.vertices ?? new Map();
  return {
    edge: unified?.edge,
    config: finishConfig(final, options, targetPlatform),
    historyVertices: final.historyVertices,
    stages: graph.stages.map((stage) => stageResult(stage, states.get(stage.index), vertices)),
    target: graph.target,
    platform: targetPlatform,
    ...(baseConfig !== undefined && { baseConfig }),
    warnings: allWarnings(source, graph, warnings, options),
    usesContext: vertices.has(build.mainContext.edge!.vertex.digest),
  };
}

/** Far more than an image can have layers; bounds the time that a hostile file can take. */
const maxInstructions = 5000;

/** Parses and checks the whole file. Another frontend than Dockerfile's own is refused. */
export function readDockerfile(content: Uint8Array | string, file: string): DockerfileStages {
  const syntax = detectSyntax(content);
  const dockerfile = parseDockerfile(content, file);
  if (dockerfile.instructions.length > maxInstructions)
    throw errorAt(
      dockerfile.source,
      [],
      "resource-exhausted",
      `${file}: more than ${maxInstructions} instructions`,
    );
  if (syntax !== undefined && !isOwnSyntax(syntax.ref)) {
    const range = syntax.range ?? [];
    throw errorAt(dockerfile.source, range, "unimplemented", `frontend ${syntax.ref} is not supported`, {
      hint: "only docker/dockerfile is built in; remove the syntax line, or build this file with BuildKit",
    });
  }
  return readStages(dockerfile);
}

function isOwnSyntax(ref: string): boolean {
  return /^((index\.)?docker\.io\/)?docker\/dockerfile(-upstream)?([:@]|$)/.test(ref);
}

function targetPlatformOf(options: FrontendOptions): Platform {
  return normalisePlatform(options.platform ?? options.buildPlatform ?? hostPlatform());
}

/** The stage graph, without looking anything up. */
export function planGraph(
  source: DockerfileStages,
  options: FrontendOptions,
  triggers?: ReadonlyMap<number, readonly string[]>,
): StageGraph {
  const platform = targetPlatformOf(options);
  return planStages(source, {
    ...(options.target !== undefined && { target: options.target }),
    buildArgs: options.buildArgs ?? {},
    buildPlatform: options.buildPlatform ?? hostPlatform(),
    targetPlatform: platform,
    namedContext: (name) => findContext(options.namedContexts, name, platform) !== undefined,
    ...(triggers !== undefined && { triggers }),
  });
}

/** Looks up the bases; triggers that they hold may need more stages, and those more bases. */
async function resolveGraph(
  source: DockerfileStages,
  options: FrontendOptions,
  bridge: Bridge,
): Promise<{ graph: StageGraph; origins: Origins }> {
  const platform = targetPlatformOf(options);
  const known = new Map<string, Promise<Origin>>();
  const triggers = new Map<number, readonly string[]>();
  for (;;) {
    const graph = planGraph(source, options, triggers);
    const origins = await resolveOrigins(graph, source.dockerfile, options, platform, bridge, known);
    const before = triggers.size;
    for (const [index, origin] of origins.stages) {
      const onbuild = origin.kind === "image" ? (origin.image.config.OnBuild ?? []) : [];
      if (onbuild.length > 0 && graph.stages[index]!.replacedBy === undefined) triggers.set(index, onbuild);
    }
    if (triggers.size === before) return { graph, origins };
  }
}

function buildContext(
  source: DockerfileStages,
  graph: StageGraph,
  options: FrontendOptions,
  used: UsedPaths,
  content: Uint8Array | string,
  warn: (warning: Warning) => void,
): BuildContext {
  return {
    options,
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
    isIgnored: ignoreCheck(source, options),
    warn,
  };
}

/** The check is experimental: its patterns are compiled only for files that ask for it. */
function ignoreCheck({ dockerfile }: DockerfileStages, options: FrontendOptions): (path: string) => boolean {
  const wanted = dockerfile.directives.some(
    ({ name, value }) => name === "check" && /experimental/i.test(value),
  );
  const patterns = options.excludePatterns ?? [];
  if (!wanted || patterns.length === 0) return () => false;
  const matcher = createIgnoreMatcher(patterns);
  return (path) => matcher.excludes(joinPath(".", path));
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

function finishConfig(state: StageState, options: FrontendOptions, targetPlatform: Platform): ImageConfig {
  const labels = options.labels ?? {};
  const { image } = state;
  const config =
    Object.keys(labels).length === 0
      ? image.config
      : { ...image.config, Labels: { ...image.config.Labels, ...labels } };
  const platform = options.platform === undefined ? platformOf(image) : askedPlatform(image, targetPlatform);
  return withPlatform({ ...image, config }, normalisePlatform(platform));
}

/** What the image says beyond the platform that was asked for stays when it is for that system at all. */
function askedPlatform(image: ImageConfig, asked: Platform): Platform {
  const same = image.os === asked.os && image.architecture === asked.architecture;
  const own = platformOf(image);
  return same ? { ...own, ...asked } : asked;
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

function allWarnings(
  source: DockerfileStages,
  graph: StageGraph,
  converted: readonly Warning[],
  options: FrontendOptions,
): readonly FrontendWarning[] {
  const shown = shownWarnings([...graph.warnings, ...converted], source.dockerfile);
  if (shown.length > 0 && checkOptionsOf(source.dockerfile).error) throw lintFailure(source, shown);
  return [...shown, ...unusedArguments(source, options.buildArgs ?? {})];
}

/** What `# check=error=true` asks for. */
function lintFailure({ dockerfile }: DockerfileStages, warnings: readonly Warning[]): BuildError {
  const rules = [...new Set(warnings.map(({ rule }) => rule))].sort();
  return errorAt(
    dockerfile.source,
    warnings.flatMap(({ ranges }) => ranges),
    "failed-precondition",
    `lint violation found for rules: ${rules.join(", ")}`,
    { hint: warnings.map(({ rule, message }) => `${rule}: ${message}`).join("\n") },
  );
}
