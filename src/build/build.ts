import { statSync } from "node:fs";
import { join } from "node:path";
import { BuildError, type EventSink, type IgnoreFile } from "../core/index.ts";
import { type ExportResult, exportResult, type Output } from "../exporter/index.ts";
import {
  type Bridge,
  dockerfileToLlb,
  type FrontendOptions,
  type FrontendResult,
} from "../frontend/index.ts";
import type { LentDirectory } from "../ops/index.ts";
import { type BuildContext, openContext, readDockerfile, readIgnore } from "./context.ts";
import { type Engine, openEngine } from "./engine.ts";
import { entitlementsOf, lend } from "./lent.ts";
import { type NamedContexts, readNamedContexts } from "./named-contexts.ts";
import type { BuildOptions } from "./options.ts";
import { checkPush, pushAll } from "./push.ts";
import { type SizeReport, sizeReport } from "./report.ts";
import { openSolver, type SolvedBuild, solve } from "./solve.ts";
import { internalStep } from "./steps.ts";

/** What a build made. */
export interface BuildResult {
  /** Digest of the image's configuration; undefined for outputs that are files alone. */
  readonly imageId: string | undefined;
  /** Normalised names that the image has now. */
  readonly names: readonly string[];
  /** Content of `--metadata-file`. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly sizes: SizeReport;
}

/** A build that was overtaken by garbage collection starts again; under a lease this cannot happen twice. */
const attempts = 2;

/**
 * Builds an image from a Dockerfile. One call does what `stagewright build` does; events tell how it goes. Throws a
 * BuildError: with the place in the Dockerfile where there is one, with the end of a failed step's output, and of code
 * `canceled` after an abort.
 */
export async function build(options: BuildOptions): Promise<BuildResult> {
  for (let attempt = 1; ; attempt++) {
    const engine = openEngine({
      ...(options.root === undefined ? {} : { root: options.root }),
      ...(options.pull === undefined ? {} : { pull: options.pull }),
    });
    const kill = () => engine.kill();
    options.killSignal?.addEventListener("abort", kill);
    const before = timeOfTrash(engine);
    try {
      if (attempt > 1) await engine.codec.activate();
      return await buildOnce(engine, options);
    } catch (error) {
      if (attempt === attempts || !overtaken(error, engine, before)) throw error;
    } finally {
      options.killSignal?.removeEventListener("abort", kill);
      engine.close();
    }
  }
}

/** Whether garbage collection may be to blame: it says so itself, or it ran while the build had no lease yet. */
function overtaken(error: unknown, engine: Engine, before: number | undefined): boolean {
  if (error instanceof BuildError && error.code === "aborted") return true;
  return !engine.codec.active && timeOfTrash(engine) !== before;
}

/** Changes whenever something is removed from the store. */
function timeOfTrash({ store }: Engine): number | undefined {
  return statSync(join(store.root, "trash"), { throwIfNoEntry: false })?.mtimeMs;
}

async function buildOnce(engine: Engine, options: BuildOptions): Promise<BuildResult> {
  const emit = options.onEvent ?? (() => undefined);
  const signal = options.signal ?? new AbortController().signal;
  const cwd = options.cwd ?? process.cwd();
  checkPush(options);
  // Each step of the legacy schedule leaves an image: garbage collection must know from the start.
  if (options.schedule === "legacy") await engine.codec.activate();
  const session = await lend(options);
  const context = openContext(options.context, options.file, cwd);
  const { dockerfile, ignore } = await loadDefinition(context, emit);
  const named = readNamedContexts(options.buildContexts ?? {}, cwd);
  const frontend = frontendOptions(options, context, named, ignore);
  const result = await dockerfileToLlb(dockerfile, frontend, bridgeOf(engine, options, emit, signal));
  for (const { rule, message, ranges, url } of result.warnings)
    emit({
      kind: "warning",
      level: 1,
      short: message,
      file: context.dockerfileName,
      ranges,
      ...(rule === undefined ? {} : { rule }),
      ...(url === undefined ? {} : { url }),
    });
  const directories = lentDirectories(context, named, ignore);
  const solver = openSolver(engine, result, directories, options, { signal, emit, session });
  if (options.schedule === "legacy") {
    const { solveInOrder } = await import("./legacy.ts");
    await solveInOrder(engine, solver, result, options, { signal, emit });
  }
  const solved = await solve(solver, result, options);
  const exported = await exportAll(engine, solved, options, emit, signal);
  const made = summary(exported);
  const pushed = options.push ? await pushAll(engine, outputsOf(options), exported, emit, signal) : {};
  return { ...made, metadata: { ...made.metadata, ...pushed }, sizes: sizesOf(engine, result, solved) };
}

/** Reads the Dockerfile and its ignore file. */
export async function loadDefinition(
  context: BuildContext,
  emit: EventSink,
): Promise<{ dockerfile: Buffer; ignore: IgnoreFile | undefined }> {
  const { dockerfileName: name } = context;
  const dockerfile = await internalStep(emit, `[internal] load build definition from ${name}`, (step) => {
    const content = readDockerfile(context);
    step.status("reading dockerfile:", content.length, { done: true });
    return content;
  });
  const ignore = await internalStep(emit, "[internal] load .dockerignore", (step) => {
    const found = readIgnore(context);
    step.status("reading ignore file:", found?.size ?? 0, { done: true });
    return found?.file;
  });
  return { dockerfile, ignore };
}

/** What the frontend has to know of a build. */
export function frontendOptions(
  options: BuildOptions,
  context: BuildContext,
  named: NamedContexts,
  ignore: IgnoreFile | undefined,
): FrontendOptions {
  const { target, buildArgs, labels, platform, network, noCache, extraHosts, sourceDateEpoch } = options;
  const { shmSize, ulimits, cgroupParent } = options;
  return {
    file: context.dockerfileName,
    namedContexts: named.byName,
    imageResolveMode: options.pull ? "pull" : "local",
    ...(ignore === undefined ? {} : { excludePatterns: ignore.patterns }),
    ...(options.schedule === "legacy" ? { eachStep: true } : {}),
    ...(target === undefined ? {} : { target }),
    ...(buildArgs === undefined ? {} : { buildArgs }),
    ...(labels === undefined ? {} : { labels }),
    ...(platform === undefined ? {} : { platform }),
    ...(network === undefined ? {} : { network }),
    ...(noCache === undefined ? {} : { noCache }),
    ...(extraHosts === undefined ? {} : { extraHosts }),
    ...(sourceDateEpoch === undefined ? {} : { sourceDateEpoch }),
    ...(shmSize === undefined ? {} : { shmSize }),
    ...(ulimits === undefined ? {} : { ulimits }),
    ...(cgroupParent === undefined ? {} : { cgroupParent }),
    entitlements: entitlementsOf(options),
  };
}

/** Images are looked up in the store, then in the registry; the progress says which one won. */
export function bridgeOf(
  engine: Engine,
  { schedule }: BuildOptions,
  emit: EventSink,
  signal: AbortSignal,
): Bridge {
  return {
    resolveImage: (ref, { platform, name }) =>
      internalStep(emit, name, async (step) => {
        const image = await engine.image(ref, platform, signal);
        if (schedule === "legacy" && image.origin === "registry") {
          const { pullImage } = await import("../source/index.ts");
          const registry = await engine.registry();
          await pullImage(image.name, { ...engine.store, registry }, { platform, signal });
        }
        const where = image.origin === "local" ? "from the local store" : "from the registry";
        step.status(`${where}: ${image.digest}`, 0, { done: true });
        return { ref: image.name, digest: image.digest, config: image.config };
      }),
  };
}

function lentDirectories(
  context: BuildContext,
  named: NamedContexts,
  ignore: IgnoreFile | undefined,
): ReadonlyMap<string, LentDirectory> {
  const directories = new Map<string, LentDirectory>();
  directories.set("context", { directory: context.root, ...(ignore === undefined ? {} : { ignore }) });
  for (const [name, directory] of named.directories) directories.set(name, { directory });
  return directories;
}

async function exportAll(
  engine: Engine,
  { draft }: SolvedBuild,
  options: BuildOptions,
  emit: EventSink,
  signal: AbortSignal,
): Promise<readonly ExportResult[]> {
  const results: ExportResult[] = [];
  for (const output of outputsOf(options)) {
    const result = await internalStep(emit, exportName(output), async (step) => {
      const exported = await exportResult(draft, output, engine.store, {
        signal,
        ...(options.tags === undefined ? {} : { names: options.tags }),
        ...(options.stdout === undefined ? {} : { stdout: options.stdout }),
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      });
      if (exported.image !== undefined) step.status(`writing image ${exported.image.id}`, 0, { done: true });
      for (const name of exported.names) step.status(`naming to ${name}`, 0, { done: true });
      for (const path of exported.skipped)
        step.status(`left out, it cannot be a file here: ${path}`, 0, { done: true });
      return exported;
    });
    if (output.type === "image") checkComplete(engine, result);
    results.push(result);
  }
  return results;
}

function outputsOf({ outputs }: BuildOptions): readonly Output[] {
  return outputs ?? [{ type: "image", names: [] }];
}

function exportName(output: Output): string {
  switch (output.type) {
    case "image":
      return "exporting to image";
    case "oci":
    case "docker":
      return `exporting to ${output.type} image format`;
    case "tar":
      return "exporting to a tar of the root filesystem";
    case "local":
      return "exporting to client directory";
  }
}

/**
 * A build without a lease may be overtaken by garbage collection. Its image is named by now, so collection from here on
 * leaves it alone; what went before is missed here.
 */
function checkComplete({ store }: Engine, { image }: ExportResult): void {
  const blobs =
    image === undefined ? [] : [image.manifestDescriptor, image.manifest.config, ...image.manifest.layers];
  if (blobs.some(({ digest }) => store.content.stat(digest) === undefined))
    throw new BuildError("aborted", "part of the image was removed while the build was using it");
}

function summary(results: readonly ExportResult[]): Omit<BuildResult, "sizes"> {
  return {
    imageId: results.find(({ image }) => image !== undefined)?.image?.id,
    names: [...new Set(results.flatMap(({ names }) => names))],
    metadata: Object.assign({}, ...results.map(({ metadata }) => metadata)),
  };
}

function sizesOf(engine: Engine, result: FrontendResult, { snapshots }: SolvedBuild): SizeReport {
  return sizeReport(result.stages, result.target, snapshots, engine.store.layers);
}
