import {
  BuildError,
  type Digest,
  digestOf,
  familiarReference,
  formatPlatform,
  formatReference,
  goText,
  type Platform,
  parseReference,
  type Reference,
  repositoryOf,
  type SourceRange,
  toBuildError,
} from "../core/index.ts";
import {
  type Dockerfile,
  didYouMean,
  type Stage,
  type StageGraph,
  type StageReference,
} from "../dockerfile/index.ts";
import type { LlbEdge } from "../llb/index.ts";
import { parseImageConfig } from "./image.ts";
import type { ImageConfig } from "./image-config.ts";
import { errorAtRange } from "./refuse.ts";
import type { Bridge, FrontendOptions, NamedContext, ResolvedImage } from "./types.ts";

/** What a stage or a `--from` starts from, looked up. */
export type Origin =
  | { readonly kind: "scratch" }
  | ImageOrigin
  | { readonly kind: "local"; readonly context: NamedContext & { kind: "local" }; readonly key: string }
  | { readonly kind: "remote"; readonly edge: LlbEdge };

export interface ImageOrigin {
  readonly kind: "image";
  /** What the source is fixed to: `docker.io/library/x:tag@sha256:…`. */
  readonly ref: string;
  readonly image: ImageConfig;
  readonly configBytes: Uint8Array;
  readonly platform: Platform;
  /** It has no layers: as good as `scratch`. */
  readonly empty: boolean;
  /** Name of the context that it comes from. */
  readonly key?: string;
  /** It lies in an OCI layout that the caller lends. */
  readonly ociStore?: string;
}

/** Origins of stages by their number, and of uses by what the graph calls them. */
export interface Origins {
  readonly stages: ReadonlyMap<number, Origin>;
  readonly names: ReadonlyMap<string, Origin>;
}

interface Request {
  readonly name: string;
  readonly platform: Platform;
  readonly range: SourceRange;
  /** Whether it is of a `--from` or `from=`, where a stage is as likely as an image. */
  readonly copied?: boolean;
}

/** A named context by the name of a stage or image, as `--build-context` has it, with or without platform. */
export function findContext(
  contexts: ReadonlyMap<string, NamedContext> | undefined,
  name: string,
  platform: Platform,
): { readonly key: string; readonly context: NamedContext } | undefined {
  if (contexts === undefined || contexts.size === 0) return undefined;
  const familiar = familiarName(name);
  for (const key of [`${familiar}::${formatPlatform(platform)}`, familiar]) {
    const context = contexts.get(key);
    if (context !== undefined) return { key, context };
  }
  return undefined;
}

function familiarName(name: string): string {
  try {
    return familiarReference(parseReference(name)).replace(/:latest$/, "");
  } catch {
    return name;
  }
}

/**
 * Looks up what the needed stages start from and copy from; nothing else is touched. Each image and platform is
 * asked for once, all at the same time. Errors point at the FROM or `--from`.
 */
export async function resolveOrigins(
  graph: StageGraph,
  dockerfile: Dockerfile,
  options: FrontendOptions,
  targetPlatform: Platform,
  bridge: Bridge,
  known: Map<string, Promise<Origin>>,
): Promise<Origins> {
  const stages = new Map<number, Promise<Origin>>();
  const names = new Map<string, Promise<Origin>>();
  const stageNames = graph.stages.flatMap(({ name }) => name ?? []);
  const resolve = (request: Request) =>
    resolveOnce(request, options, bridge, known, (error) =>
      errorAtRange({ dockerfile }, request.range, withStageHint(error, request, stageNames)),
    );
  for (const stage of graph.stages) {
    const name = stage.replacedBy ?? outsideName(stage.base, stage);
    if (!stage.needed) {
      if (stage.base.kind === "image") checkStageName(stage, dockerfile);
      continue;
    }
    const platform = stage.platform ?? targetPlatform;
    if (name !== undefined) stages.set(stage.index, resolve({ name, platform, range: stage.from.range }));
    for (const { source, range } of stage.uses) {
      const used = outsideName(source);
      if (used !== undefined && !names.has(used))
        names.set(used, resolve({ name: used, platform: targetPlatform, range, copied: true }));
    }
  }
  await Promise.all([...stages.values(), ...names.values()]);
  return { stages: await settled(stages), names: await settled(names) };
}

/** BuildKit refuses a name that no image can have in stages that are left out, too. */
function checkStageName({ baseName, from }: Stage, dockerfile: Dockerfile): void {
  try {
    parseStageName(baseName);
  } catch (error) {
    throw errorAtRange({ dockerfile }, from.range, toBuildError(error));
  }
}

/** The key of a use in `Origins.names`; undefined for stages and `scratch`. */
export function outsideName(source: StageReference, stage?: Stage): string | undefined {
  if (source.kind === "image" || source.kind === "context") return stage?.baseName ?? source.name;
  return undefined;
}

async function settled<K, V>(map: ReadonlyMap<K, Promise<V>>): Promise<Map<K, V>> {
  const result = new Map<K, V>();
  for (const [key, value] of map) result.set(key, await value);
  return result;
}

function resolveOnce(
  request: Request,
  options: FrontendOptions,
  bridge: Bridge,
  known: Map<string, Promise<Origin>>,
  failure: (error: unknown) => BuildError,
): Promise<Origin> {
  const key = `${formatPlatform(request.platform)} ${request.name}`;
  const earlier = known.get(key);
  if (earlier !== undefined) return earlier;
  const origin = resolveName(request, options, bridge).catch((error: unknown) => {
    throw failure(error);
  });
  known.set(key, origin);
  return origin;
}

/** A name that no image has may be a mistyped stage, and without a registry in it is one more often than not. */
function withStageHint(error: unknown, request: Request, stageNames: readonly string[]): BuildError {
  const failure = toBuildError(error);
  const { name } = request;
  const near = didYouMean(name, stageNames, { ignoreCase: true });
  const maybeStage = request.copied === true && /^[\w-]+$/.test(name) && stageNames.length > 0;
  if (near === undefined && !maybeStage) return failure;
  const stages = near ?? `the stages are ${stageNames.join(", ")}`;
  const hint = `no stage is called ${name}; ${stages}`;
  return new BuildError(failure.code, failure.message, { hint, cause: failure, details: failure.details });
}

async function resolveName(request: Request, options: FrontendOptions, bridge: Bridge): Promise<Origin> {
  const { name, platform } = request;
  const found = findContext(options.namedContexts, name, platform);
  if (found === undefined) return resolveImage(name, platform, options, bridge);
  const { key, context } = found;
  if (context.kind === "local") return { kind: "local", context, key };
  if (context.kind === "remote") return { kind: "remote", edge: context.source(key) };
  if (context.kind === "oci-layout") return resolveLayout(key, context, platform, options, bridge);
  if (context.ref === "scratch") return { kind: "scratch" };
  const ref = formatReference(parseReference(context.ref));
  const resolved = await bridge.resolveImage(ref, {
    platform,
    resolveMode: options.imageResolveMode ?? "default",
    name: `[context ${key}] load metadata for ${ref}`,
    vertex: lookUpDigest("docker-image", ref, platform),
  });
  return { ...imageOrigin(resolved, platform), key };
}

/** BuildKit shows a look-up under the digest of what it looks for. */
function lookUpDigest(scheme: string, ref: string, platform: Platform): Digest {
  return digestOf(`${scheme}://${ref}${formatPlatform(platform)}`);
}

async function resolveImage(
  name: string,
  platform: Platform,
  options: FrontendOptions,
  bridge: Bridge,
): Promise<Origin> {
  const ref = formatReference(parseStageName(name));
  const prefix = options.multiPlatform ? `${formatPlatform(platform)} ` : "";
  const resolved = await bridge.resolveImage(ref, {
    platform,
    resolveMode: options.imageResolveMode ?? "default",
    name: `[${prefix}internal] load metadata for ${ref}`,
    vertex: lookUpDigest("docker-image", ref, platform),
  });
  return imageOrigin(resolved, platform);
}

function parseStageName(name: string): Reference {
  try {
    return parseReference(name);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const { code, message, hint } = error;
    const stage = "if a stage was meant, no stage has that name";
    throw new BuildError(code, `failed to parse stage name ${goText.quote(name)}: ${message}`, {
      hint: hint === undefined ? stage : `${hint}; ${stage}`,
    });
  }
}

async function resolveLayout(
  key: string,
  context: NamedContext & { kind: "oci-layout" },
  platform: Platform,
  options: FrontendOptions,
  bridge: Bridge,
): Promise<Origin> {
  const named = parseReference(key.replace(/::.*$/, ""));
  const digest = context.digest === undefined ? "" : `@${context.digest}`;
  const ref = `${repositoryOf(named)}${named.tag === undefined ? "" : `:${named.tag}`}${digest}`;
  const resolved = await bridge.resolveImage(ref, {
    platform,
    resolveMode: options.imageResolveMode ?? "default",
    name: `[context ${key}] load metadata for ${ref}`,
    vertex: lookUpDigest("oci-layout", ref, platform),
    ociStore: context.store,
  });
  return { ...imageOrigin({ ...resolved, ref }, platform), key, ociStore: context.store };
}

function imageOrigin(resolved: ResolvedImage, platform: Platform): ImageOrigin {
  const image = parseImageConfig(resolved.config, resolved.ref);
  const parsed = parseReference(resolved.ref);
  const ref = resolved.digest === undefined ? parsed : { ...parsed, digest: resolved.digest };
  return {
    kind: "image",
    ref: formatReference(ref),
    image,
    configBytes: resolved.config,
    platform,
    empty: image.rootfs.diff_ids.length === 0 && image.history.every((entry) => entry.empty_layer === true),
  };
}
