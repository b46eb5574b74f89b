import { goText } from "../core/index.ts";
import type { Stage } from "../dockerfile/index.ts";
import { imageSource, type LlbEdge, type LlbVertex, localSource, ociLayoutSource } from "../llb/index.ts";
import type { ImageOrigin, Origin } from "./origins.ts";
import { joinPath } from "./paths.ts";
import type { BuildContext, FileSource } from "./stage-state.ts";

/**
 * The source vertex of an origin; `undefined` is empty. `paths` is what is used of it, `nameOf` names a plain image's
 * vertex, `stage` is the one that begins with it.
 */
export function originEdge(
  origin: Origin,
  build: BuildContext,
  paths: ReadonlySet<string>,
  nameOf: (ref: string) => string,
  stage?: Stage,
): LlbEdge | undefined {
  if (origin.kind === "scratch") return undefined;
  if (origin.kind === "remote") return origin.edge;
  const session = build.options.sessionId ?? defaultSession;
  const vertex =
    origin.kind === "local"
      ? contextSource(origin, session, paths)
      : origin.key !== undefined
        ? contextImage(origin, origin.key, session)
        : plainImage(origin, build, nameOf(origin.ref), stage);
  return vertex && { vertex, index: 0 };
}

/** A directory behind `--build-context`. */
function contextSource(
  { context, key }: Origin & { kind: "local" },
  session: string,
  paths: ReadonlySet<string>,
): LlbVertex {
  const { name, excludePatterns } = context;
  const local = {
    session,
    sharedKeyHint: `context:${key}`,
    followPaths: followPaths(paths),
    excludePatterns,
  };
  return localSource(name, local, { name: `[context ${key}] load from client` });
}

/** An image behind `--build-context`. */
function contextImage({ ref, platform, ociStore }: ImageOrigin, key: string, session: string): LlbVertex {
  if (ociStore === undefined)
    return imageSource(ref, "default", { platform, name: `[context ${key}] ${ref}` });
  const name = `[context ${key}] OCI load from client`;
  return ociLayoutSource(ref, { session, store: ociStore }, { platform, name });
}

function plainImage(
  { ref, platform, empty }: ImageOrigin,
  { options, sourceFile }: BuildContext,
  name: string,
  stage: Stage | undefined,
): LlbVertex | undefined {
  if (empty) return undefined;
  return imageSource(ref, options.imageResolveMode ?? "default", {
    platform,
    name,
    description: { "com.docker.dockerfile.v1.command": stage?.from.code ?? "" },
    ...(stage !== undefined && { sources: [{ file: sourceFile, ranges: [stage.from.range] }] }),
  });
}

/** BuildKit's is random; one of ours keeps digests stable. */
export const defaultSession = "stagewright";

/** The main context, asked for no more than `paths`. */
export function mainContextSource(options: BuildContext["options"], paths: Set<string>): FileSource {
  if (options.mainContext !== undefined) return { edge: options.mainContext, paths };
  const vertex = localSource(
    "context",
    {
      session: options.sessionId ?? defaultSession,
      sharedKeyHint: "context",
      followPaths: followPaths(paths),
      excludePatterns: options.excludePatterns ?? [],
    },
    { name: "[internal] load build context" },
  );
  return { edge: { vertex, index: 0 }, paths };
}

/** What to ask a local directory for; nothing means all of it. */
function followPaths(paths: ReadonlySet<string>): readonly string[] {
  if (paths.has("/")) return [];
  return [...paths].map((path) => joinPath(".", path)).sort(goText.compare);
}
