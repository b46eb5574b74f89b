import { availableParallelism } from "node:os";
import { BuildError, type Digest, type EventSink, withDetails } from "../core/index.ts";
import type { FrontendResult } from "../frontend/index.ts";
import type { ImageDraft } from "../image/index.ts";
import { inOrder, type LlbEdge, type LlbVertex } from "../llb/index.ts";
import { type Lent, type Ref, type RefCodec, resolveOp, snapshotOf, solverEdge } from "../ops/index.ts";
import type { Session } from "../session/index.ts";
import type { Snapshot } from "../snapshot/index.ts";
import { createSolver, type Edge, type Op, type Solved, type Solver } from "../solver/index.ts";
import { elsewhere } from "./elsewhere.ts";
import type { Engine } from "./engine.ts";
import { entitlementsOf } from "./lent.ts";
import type { BuildOptions } from "./options.ts";

/** What running the graph gave. */
export interface SolvedBuild {
  readonly draft: ImageDraft;
  /** Root filesystems of the stages, by number, as far as this build had to know them. */
  readonly snapshots: ReadonlyMap<number, Snapshot>;
}

export type BuildSolver = Solver<LlbVertex, Ref>;

/**
 * The solver of one build, for all edges that are asked for in it. What is lent, and the results that stages are looked for
 * in, may come after it was opened.
 */
export function openSolver(
  engine: Engine,
  results: readonly FrontendResult[],
  directories: ReadonlyMap<string, Lent>,
  options: BuildOptions,
  run: {
    readonly signal: AbortSignal;
    readonly emit: EventSink;
    readonly session: () => Promise<Session>;
  },
): BuildSolver {
  const { store } = engine;
  const dependencies = {
    root: store.root,
    layers: store.layers,
    content: store.content,
    layerCache: engine.layerCache,
    image: engine.image,
    lentImage: engine.lentImage,
    remote: {
      root: store.root,
      content: store.content,
      layers: store.layers,
      begin: () => engine.codec.activate(),
    },
    executor: engine.executor,
    session: run.session,
    entitlements: entitlementsOf(options),
    directories,
    elsewhere: (source: string, hint: string | undefined) =>
      elsewhere(source, hint, {
        graphs: results.map(({ definition }) => definition.graph),
        context: directoryOf(directories.get("context")),
        stages: results.flatMap(({ stages }) => stages),
        layers: store.layers,
        async snapshotOf(stage) {
          const ref = stage.edge === undefined ? undefined : await peek(solver, stage.edge);
          return ref?.kind === "snapshot" ? ref.snapshot : undefined;
        },
      }),
  };
  const solver: BuildSolver = createSolver<LlbVertex, Ref>({
    resolveOp: (vertex) => holdingResults(resolveOp(vertex, dependencies), engine.codec),
    codec: engine.codec,
    keys: store.cache,
    emit: run.emit,
    signal: run.signal,
    parallelism: options.parallelism ?? Math.max(16, 4 * availableParallelism()),
    beforeExecution: () => engine.codec.activate(),
  });
  return solver;
}

function directoryOf(lent: Lent | undefined): string | undefined {
  return lent !== undefined && "directory" in lent ? lent.directory : undefined;
}

/** Runs what the targets need and the cache does not have; what several graphs share runs once. */
export async function solve(
  solver: BuildSolver,
  results: readonly FrontendResult[],
  options: BuildOptions,
): Promise<readonly SolvedBuild[]> {
  const solved = await Promise.allSettled(results.map((result) => solveOne(solver, result, options)));
  const failures = solved.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  // The first failure ends the other graphs too: that they were stopped is not what went wrong.
  const cause = failures.find((error) => !isCancellation(error)) ?? failures[0];
  if (cause !== undefined) throw cause;
  return solved.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
}

function isCancellation(error: unknown): boolean {
  return error instanceof BuildError ? error.code === "canceled" : (error as Error)?.name === "AbortError";
}

async function solveOne(
  solver: BuildSolver,
  result: FrontendResult,
  options: BuildOptions,
): Promise<SolvedBuild> {
  const { edge } = result;
  if (edge !== undefined) await solveEdge(solver, edge);
  const draft = await draftOf(solver, result, options);
  return {
    draft,
    snapshots: edge === undefined ? new Map() : await stageSnapshots(solver, result, draft.snapshot),
  };
}

/** Solves an edge; a failure tells its place in the Dockerfile. */
export async function solveEdge(solver: BuildSolver, edge: LlbEdge): Promise<Solved<Ref>> {
  return await solver.solve(solverEdge(edge)).catch((error: unknown) => {
    throw withPlace(error, edge);
  });
}

/** A result may be layers that were in the store before, which only a lease keeps there. */
function holdingResults(op: Op<Ref>, codec: RefCodec): Op<Ref> {
  return {
    ...op,
    async exec(inputs, context) {
      const results = await op.exec(inputs, context);
      for (const result of results) await codec.hold(result);
      return results;
    },
  };
}

/** The error with the place in the Dockerfile that its vertex comes from. */
function withPlace(error: unknown, { vertex: root }: LlbEdge): unknown {
  if (!(error instanceof BuildError)) return error;
  const place = inOrder(root).find(({ digest }) => digest === error.details.vertex)?.metadata.sources[0];
  if (place === undefined) return error;
  const text = Buffer.from(place.file.data).toString();
  return withDetails(error, { source: { file: place.file.filename, text, ranges: place.ranges } });
}

/** What an image is made of, once the root filesystem is solved. */
export async function draftOf(
  solver: BuildSolver,
  result: Pick<FrontendResult, "edge" | "config" | "historyVertices" | "baseConfig">,
  options: BuildOptions,
): Promise<ImageDraft> {
  const root = result.edge === undefined ? undefined : solverEdge(result.edge);
  const solved = root === undefined ? undefined : await solver.peek(root);
  const snapshot = solved === undefined ? { layers: [] } : snapshotOf(solved.result, "the build's result");
  const created = root === undefined ? [] : await createdTimes(solver, root, result.historyVertices);
  const { rootfs: _, ...config } = result.config;
  const { sourceDateEpoch: epoch } = options;
  if (epoch === undefined) return { snapshot, config, created };
  const base = result.baseConfig === undefined ? {} : JSON.parse(Buffer.from(result.baseConfig).toString());
  return { snapshot, config, created, epoch: epoch * 1000, baseHistory: base.history ?? [] };
}

/** When the layers were made that the history speaks of: an image that is built again must not change. */
async function createdTimes(
  solver: BuildSolver,
  root: Edge<LlbVertex>,
  vertices: readonly (Digest | undefined)[],
): Promise<readonly (number | undefined)[]> {
  const edges = new Map<Digest, Edge<LlbVertex>>();
  const collect = (edge: Edge<LlbVertex>): void => {
    if (edges.has(edge.vertex.digest)) return;
    edges.set(edge.vertex.digest, { vertex: edge.vertex, index: 0 });
    edge.vertex.inputs.forEach(collect);
  };
  collect(root);
  return Promise.all(
    vertices.map(async (digest) => {
      const edge = digest === undefined ? undefined : edges.get(digest);
      return edge === undefined ? undefined : (await solver.peek(edge))?.created;
    }),
  );
}

async function stageSnapshots(
  solver: BuildSolver,
  result: FrontendResult,
  target: Snapshot,
): Promise<ReadonlyMap<number, Snapshot>> {
  const snapshots = new Map<number, Snapshot>();
  for (const { index, edge, needed } of result.stages) {
    const known = edge === undefined ? undefined : await peek(solver, edge);
    if (index === result.target) snapshots.set(index, target);
    else if (known?.kind === "snapshot") snapshots.set(index, known.snapshot);
    else if (needed && edge === undefined) snapshots.set(index, { layers: [] });
  }
  return snapshots;
}

/** What an edge has become, as far as this build knows. */
export async function peek(solver: BuildSolver, edge: LlbEdge): Promise<Ref | undefined> {
  return (await solver.peek(solverEdge(edge)))?.result;
}
