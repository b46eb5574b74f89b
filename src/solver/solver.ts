import { BuildError, type Digest, digestOfFields, toBuildError, withDetails } from "../core/index.ts";
import { createSlots } from "./slots.ts";
import type {
  CacheKey,
  CacheRecord,
  Edge,
  JobContext,
  Op,
  Solved,
  Solver,
  SolverOptions,
  Vertex,
} from "./types.ts";

interface Outcome<R> {
  readonly results: readonly R[];
  readonly cached: boolean;
  readonly created: number;
  readonly duration: number;
}

/** What is known of a vertex in this build; each part is worked out once. */
interface Job<R> {
  readonly op: Op<R>;
  readonly context: JobContext;
  key?: Promise<KeyState>;
  /** Settles when this build has to execute the vertex, as far as its keys can tell; stays open for what is cached. */
  readonly missed: PromiseWithResolvers<void>;
  outcome?: Promise<Outcome<R>>;
  /** Set by a forced execution, before children ask for keys. */
  salt?: string;
  announced?: boolean;
}

interface KeyState {
  /** Where the record is; undefined when the vertex cannot be cached. */
  readonly key: Digest | undefined;
  /** What children see: the key, with the salt of a forced execution. */
  readonly childKey: Digest | undefined;
  readonly parts: CacheKey | undefined;
  readonly record: CacheRecord | undefined;
}

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

  function keyOf(vertex: Vertex<S>): Promise<KeyState> {
    const job = jobOf(vertex);
    if (job.key === undefined) {
      anticipate(vertex, job);
      job.key = computeKey(vertex, job);
    }
    return job.key;
  }

  /**
   * A vertex with a content key can only be looked up when the keys of all its inputs are known, and a chain of such
   * vertices would have its inputs made one after the other. So once a vertex below misses the cache, those of its
   * other inputs that miss it too are started.
   */
  function anticipate(vertex: Vertex<S>, job: Job<R>): void {
    const inputs = vertex.inputs.map((edge) => ({ vertex: edge.vertex, job: jobOf(edge.vertex) }));
    for (const { job: input } of inputs)
      void input.missed.promise.then(() => {
        job.missed.resolve();
        if (job.op.contentKey === undefined) return;
        for (const other of inputs) if (other.job !== input) startIfMissing(other.vertex);
      });
  }

  function startIfMissing(vertex: Vertex<S>): void {
    keyOf(vertex).then(
      ({ record }) => void (record === undefined && outcomeOf(vertex)),
      () => undefined, // whoever needs the key reports it
    );
  }

  async function inputKey(edge: Edge<S>): Promise<Digest | undefined> {
    const { childKey } = await keyOf(edge.vertex);
    return childKey === undefined || edge.index === 0
      ? childKey
      : digestOfFields("output", childKey, edge.index);
  }

  async function computeKey(vertex: Vertex<S>, job: Job<R>): Promise<KeyState> {
    const state = await lookUp(vertex, job);
    if (state.key !== undefined && state.record === undefined) job.missed.resolve();
    return state;
  }

  async function lookUp(vertex: Vertex<S>, job: Job<R>): Promise<KeyState> {
    const inputKeys = await Promise.all(vertex.inputs.map(inputKey));
    const definition = await ownStep(vertex, () => job.op.definitionKey(inputKeys, job.context));
    let key = definition?.key;
    let parts = definition;
    const { contentKey } = job.op;
    if (contentKey !== undefined) {
      key = definition === undefined ? undefined : await keys.getAlias(definition.key);
      if (key === undefined) {
        if (definition !== undefined) job.missed.resolve();
        const inputs = await Promise.all(vertex.inputs.map(resultOf));
        const content = await ownStep(vertex, () => contentKey(inputs, inputKeys, job.context));
        key = content?.key;
        parts = content === undefined ? definition : content;
        if (definition !== undefined && key !== undefined) await keys.putAlias(definition.key, key);
      }
    }
    if (key === undefined) return { key, childKey: undefined, parts, record: undefined };
    if (vertex.ignoreCache) {
      // Children must wait for the run whose salt they key on.
      job.salt = digestOfFields("forced", key, Date.now(), Math.random());
      return { key, childKey: digestOfFields(key, job.salt), parts, record: undefined };
    }
    const record = await keys.get(key);
    return { key, childKey: saltedKey(key, record), parts, record };
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

  /** Reads what a key is made of; that this fails is the vertex's own failure, as that of its execution. */
  async function ownStep<T>(vertex: Vertex<S>, work: () => Promise<T>): Promise<T> {
    const begin = Date.now();
    try {
      return await work();
    } catch (error) {
      throw fail(vertex, error, begin);
    }
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

function saltedKey(key: Digest, record: CacheRecord | undefined): Digest {
  return record?.salt === undefined ? key : digestOfFields(key, record.salt);
}
