import { statSync } from "node:fs";
import { join } from "node:path";
import { BuildError, defined, type EventSink, type Platform } from "../core/index.ts";
import type { Bridge, FrontendOptions, FrontendResult } from "../frontend/index.ts";
import { keepTimes, type PricedAdvice, pricedAdvice, ranSteps } from "./advice.ts";
import { type Definition, loadDefinition } from "./definition.ts";
import { type Engine, openEngine } from "./engine.ts";
import { entitlementsOf, lend } from "./lent.ts";
import { loadAll, planLoad } from "./load.ts";
import { type NamedContexts, readNamedContexts, tarOpener } from "./named-contexts.ts";
import type { BuildOptions } from "./options.ts";
import { exportAll, summary } from "./outputs.ts";
import { checkPush, pushAll } from "./push.ts";
import { type SizeReport, sizeReport } from "./report.ts";
import { openSolver, type SolvedBuild, solve } from "./solve.ts";
import { internalStep } from "./steps.ts";
import { convertForPlatforms, emitWarnings, exportSource, makesIndex } from "./targets.ts";

/** What a build made. */
export interface BuildResult {
  /** Digest of the image's configuration, or of the index of several; undefined for outputs that are files alone. */
  readonly imageId: string | undefined;
  /** Normalised names that the image has now. */
  readonly names: readonly string[];
  /** Content of `--metadata-file`. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Of the first platform. */
  readonly sizes: SizeReport;
  /** Each platform that was built for, in the order in which they were given. */
  readonly platforms: readonly { readonly platform: Platform; readonly sizes: SizeReport }[];
  /** What is worth saying about the stages; nothing when every step was cached. */
  readonly advice: readonly PricedAdvice[];
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
    const engine = openEngine(defined({ root: options.root, pull: options.pull }));
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
  const times = keepTimes(options.onEvent ?? (() => undefined));
  const { emit } = times;
  const signal = options.signal ?? new AbortController().signal;
  const cwd = options.cwd ?? process.cwd();
  checkPush(options);
  const loads = await planLoad(options, emit, signal);
  if (options.schedule === "legacy") {
    if (makesIndex(options))
      throw new BuildError("invalid-argument", "the classic builder makes images for one platform", {
        hint: "leave --builder legacy and DOCKER_BUILDKIT=0 out",
      });
    // Each step leaves an image: garbage collection must know from the start.
    await engine.codec.activate();
  }
  const session = await lend(options);
  const named = readNamedContexts(options.buildContexts ?? {}, cwd, tarOpener(engine, signal));
  const lent = new Map(named.lent);
  const results: FrontendResult[] = [];
  const solver = openSolver(engine, results, lent, options, { signal, emit, session });
  const definition = await loadDefinition(options, { engine, solver, emit, signal });
  if (definition.lent !== undefined) lent.set("context", definition.lent);
  const frontend = {
    ...frontendOptions(options, definition, named),
    entitlements: entitlementsOf(options),
  };
  const bridge = bridgeOf(engine, options, emit, signal);
  results.push(...(await convertForPlatforms(definition.dockerfile, options, frontend, bridge)));
  emitWarnings(results, definition.name, emit);
  if (options.schedule === "legacy") {
    const { solveInOrder } = await import("./legacy.ts");
    for (const result of results) await solveInOrder(engine, solver, result, options, { signal, emit });
  }
  const solved = await solve(solver, results, options);
  const source = exportSource(results, solved, makesIndex(options));
  const exported = await exportAll(engine, source, options, emit, signal);
  const made = summary(exported);
  await loadAll(engine, loads, exported, emit, signal);
  const pushed = await pushAll(engine, options, exported, emit, signal);
  const platforms = results.map((result, i) => ({
    platform: result.platform,
    sizes: sizesOf(engine, result, solved[i]!),
  }));
  const { sizes } = platforms[0]!;
  const advice = ranSteps(results[0]!, times)
    ? await pricedAdvice(results[0]!, solved[0]!, solver, engine.store.layers, times, options)
    : [];
  return { ...made, metadata: { ...made.metadata, ...pushed }, sizes, platforms, advice };
}

/** What the frontend has to know of a build. */
export function frontendOptions(
  options: BuildOptions,
  { name, ignore, edge }: Definition,
  named: NamedContexts,
): FrontendOptions {
  const { target, buildArgs, labels, network, noCache, extraHosts, sourceDateEpoch } = options;
  const { shmSize, ulimits, cgroupParent } = options;
  return {
    file: name,
    namedContexts: named.byName,
    imageResolveMode: options.pull ? "pull" : "local",
    eachStep: options.schedule === "legacy",
    ...defined({ mainContext: edge, excludePatterns: ignore?.patterns }),
    ...defined({ target, buildArgs, labels, network, noCache, extraHosts, sourceDateEpoch }),
    ...defined({ shmSize, ulimits, cgroupParent }),
  };
}

const origins = {
  local: "from the local store",
  registry: "from the registry",
  daemon: "from Docker's store",
  layout: "from the OCI layout",
} as const;

/** Images are looked up in the store, then in the registry; the progress says which one won. */
export function bridgeOf(
  engine: Engine,
  { schedule }: BuildOptions,
  emit: EventSink,
  signal: AbortSignal,
): Bridge {
  return {
    resolveImage: (ref, { platform, name, ociStore }) =>
      internalStep(emit, name, async (step) => {
        const image = await (ociStore === undefined
          ? engine.image(ref, platform, signal)
          : engine.lentImage(ociStore, platform, signal));
        if (schedule === "legacy" && image.origin === "registry") {
          const { pullImage } = await import("../source/index.ts");
          const registry = await engine.registry();
          await pullImage(image.name, { ...engine.store, registry }, { platform, signal });
        }
        step.status(`${origins[image.origin]}: ${image.digest}`, 0, { done: true });
        return { ref: image.name, digest: image.digest, config: image.config };
      }),
  };
}

function sizesOf(engine: Engine, result: FrontendResult, { snapshots }: SolvedBuild): SizeReport {
  return sizeReport(result.stages, result.target, snapshots, engine.store.layers);
}
