import { BuildError, type Digest, toBuildError, withDetails } from "../core/index.ts";
import type { Job, KeyState, Outcome } from "./job.ts";
import { createKeys } from "./keys.ts";
import { createSlots } from "./slots.ts";
import type { CacheRecord, Edge, Solved, Solver, SolverOptions, Vertex } from "./types.ts";

/**
 * Evaluates graphs of vertices. A vertex whose record is in the key store is not executed, and neither is anything
 * that only it needed. Knows nothing of what vertices do.
 */
export function createSolver<S, R>(options: SolverOptions<S, R>): Solver<S, R> {
  const { keys, codec, emit } = options;
  const slots = createSlots(options.parallelism);
  const jobs = new Map<Digest, Job<R>>();
  const abort = new AbortController();
  const signal = AbortSignal.any([options.signal, abort.signal]);
  const keyOf = createKeys(keys, { jobOf, outcomeOf, resultOf, fail });
  let started: Promise<void> | undefined;

  function jobOf(vertex: Vertex<S>): Job<R> {
    let job = jobs.get(vertex.digest);
    if (job === undefined) {
      job = {
        op: options.resolveOp(vertex),
        context: { signal, vertex: vertex.digest, emit },
        missed: Promise.withResolvers(),
      };
      jobs.set(vertex.digest, job);
    }
    return job;
  }

  function announce(
    vertex: Vertex<S>,
    state: { started?: number; completed?: number; cached?: boolean; error?: string },
  ) {
    emit({
      kind: "vertex",
      digest: vertex.digest,
      name: vertex.name,
      inputs: vertex.inputs.map((edge) => edge.vertex.digest),
      ...state,
    });
  }

  /** What a cached vertex stands on is shown with it, although nobody looked at it. */
  function announceCached(vertex: Vertex<S>): void {
    const job = jobOf(vertex);
    if (job.announced) return;
    job.announced = true;
    for (const edge of vertex.inputs) announceCached(edge.vertex);
    const now = Date.now();
    announce(vertex, { started: now, completed: now, cached: true });
  }

  function outcomeOf(vertex: Vertex<S>): Promise<Outcome<R>> {
    const job = jobOf(vertex);
    if (job.outcome === undefined) {
      job.outcome = evaluate(vertex, job);
      job.outcome.catch(() => undefined);
    }
    return job.outcome;
  }

  async function resultOf(edge: Edge<S>): Promise<R> {
    const { results } = await outcomeOf(edge.vertex);
    const result = results[edge.index];
    if (result === undefined)
      throw new BuildError(
        "internal",
        `${edge.vertex.name}: no output ${edge.index}, only ${results.length}`,
      );
    return result;
  }

  async function evaluate(vertex: Vertex<S>, job: Job<R>): Promise<Outcome<R>> {
    const state = await keyOf(vertex);
    const known = await restore(state.record);
    if (known !== undefined) {
      job.op.abandon?.();
      announceCached(vertex);
      return known;
    }
    const inputs = await Promise.all(vertex.inputs.map(resultOf));
    if (state.key === undefined) return execute(vertex, job, inputs, state);
    return keys.exclusively(state.key, signal, async () => {
      // Another process may have done the work while this one waited for the key.
      const done = vertex.ignoreCache ? undefined : await restore(await keys.get(state.key as Digest));
      if (done === undefined) return execute(vertex, job, inputs, state);
      job.op.abandon?.();
      announceCached(vertex);
      return done;
    });
  }

  async function restore(record: CacheRecord | undefined): Promise<Outcome<R> | undefined> {
    if (record === undefined) return undefined;
    const results: R[] = [];
    for (const encoded of record.results) {
      const result = await codec.decode(encoded);
      if (result === undefined) return undefined;
      results.push(result);
    }
    return { results, cached: true, created: record.created, duration: record.duration };
  }

  async function execute(
    vertex: Vertex<S>,
    job: Job<R>,
    inputs: readonly R[],
    state: KeyState,
  ): Promise<Outcome<R>> {
    signal.throwIfAborted();
    if (!job.op.passive) {
      started ??= options.beforeExecution?.() ?? Promise.resolve();
      await started;
    }
    return slots.with(job.op.weight ?? 0, signal, async () => {
      const begin = Date.now();
      job.announced = true;
      announce(vertex, { started: begin });
      try {
        const results = await job.op.exec(inputs, job.context);
        const created = Date.now();
        if (state.key !== undefined)
          await keys.put(state.key, {
            results: results.map((result) => codec.encode(result)),
            created,
            duration: created - begin,
            name: vertex.name,
            ingredients: state.parts?.ingredients ?? [],
            ...(job.salt === undefined ? {} : { salt: job.salt }),
          });
        announce(vertex, { started: begin, completed: Date.now() });
        return { results, cached: false, created, duration: created - begin };
      } catch (error) {
        throw fail(vertex, error, begin);
      }
    });
  }

  /** Ends the build with a vertex's failure, said once to those who watch. */
  function fail(vertex: Vertex<S>, error: unknown, begin: number): BuildError {
    const failure = signal.aborted
      ? new BuildError("canceled", "canceled", { cause: error })
      : withDetails(error, { vertex: vertex.digest, step: vertex.name });
    announce(vertex, { started: begin, completed: Date.now(), error: failure.message });
    abort.abort(failure);
    return failure;
  }

  async function solvedOf(edge: Edge<S>, { results, ...outcome }: Outcome<R>): Promise<Solved<R>> {
    const { childKey } = await keyOf(edge.vertex);
    return { ...outcome, result: results[edge.index] as R, key: childKey };
  }

  /** What fails because of a cancellation is not the reason; the first failure is. */
  function firstFailure(error: unknown): unknown {
    if (abort.signal.aborted) return abort.signal.reason;
    if (options.signal.aborted)
      return new BuildError("canceled", "canceled", { cause: options.signal.reason });
    return toBuildError(error);
  }

  /** Steps that a failure stops may take their time; until they have ended they need what the caller would close. */
  async function atRest(): Promise<void> {
    await Promise.allSettled([...jobs.values()].flatMap(({ key, outcome }) => [key, outcome]));
  }

  return {
    async solve(edge) {
      try {
        const outcome = await outcomeOf(edge.vertex);
        return await solvedOf(edge, outcome);
      } catch (error) {
        const failure = firstFailure(error);
        abort.abort(failure);
        await atRest();
        throw failure;
      }
    },
    async peek(edge) {
      const job = jobs.get(edge.vertex.digest);
      const outcome = (await job?.outcome) ?? (await restore((await job?.key)?.record));
      return outcome === undefined ? undefined : solvedOf(edge, outcome);
    },
  };
}
