import type { Digest, EventSink } from "../core/index.ts";

/** One output of a vertex. */
export interface Edge<S> {
  readonly vertex: Vertex<S>;
  /** Which output, from 0. */
  readonly index: number;
}

/** A node of the graph. `digest` covers the definition and everything below it. */
export interface Vertex<S> {
  readonly digest: Digest;
  /** What is shown: `[base 2/2] RUN make`. */
  readonly name: string;
  readonly sys: S;
  readonly inputs: readonly Edge<S>[];
  /** Never taken from the cache (`--no-cache`); its result is still stored. */
  readonly ignoreCache?: boolean;
}

/** What an op may use while it works. */
export interface JobContext {
  readonly signal: AbortSignal;
  readonly vertex: Digest;
  /** Progress, logs and warnings of this vertex. */
  readonly emit: EventSink;
}

/** One ingredient of a cache key, kept in the record so that two keys can be compared. */
export interface Ingredient {
  /** `definition`, `input 0`, `context src/app.ts`, … */
  readonly name: string;
  readonly value: string;
}

/** A cache key with what it was made of. */
export interface CacheKey {
  readonly key: Digest;
  readonly ingredients: readonly Ingredient[];
}

/**
 * What a vertex does, for results of type R. Keys come in two kinds, the cheaper first:
 *
 * - `definitionKey` needs only the keys of the inputs. `undefined` when an input has none (a local directory has
 *   only content), or when definition says nothing (the source itself).
 * - `contentKey` may look at the results of the inputs. It is the key that children see. An op without it uses
 *   its definition key.
 */
export interface Op<R> {
  definitionKey(
    inputKeys: readonly (Digest | undefined)[],
    context: JobContext,
  ): Promise<CacheKey | undefined>;
  contentKey?(
    inputs: readonly R[],
    inputKeys: readonly (Digest | undefined)[],
    context: JobContext,
  ): Promise<CacheKey | undefined>;
  /** Called in place of `exec` when the cache has the result: what `contentKey` prepared for `exec` can go. */
  abandon?(): void;
  /** Does the work: one result for each output. */
  exec(inputs: readonly R[], context: JobContext): Promise<readonly R[]>;
  /** Only reads: executing it needs no lease on the store. */
  readonly passive?: boolean;
  /** Bounds what runs at once: steps of a weight compete for the solver's parallelism; 0 is free. */
  readonly weight?: number;
}

/** Turns results into records that outlive the process and back. Records are JSON. */
export interface ResultCodec<R> {
  encode(result: R): unknown;
  /** `undefined` when something that the record names is gone. Takes a lease on what it returns. */
  decode(record: unknown): Promise<R | undefined>;
}

/** What the cache remembers of an executed vertex. */
export interface CacheRecord {
  /** One per output, encoded by the codec. */
  readonly results: readonly unknown[];
  /** Milliseconds since the epoch; created times of images come from here. */
  readonly created: number;
  /** How long it took, in milliseconds. */
  readonly duration: number;
  readonly name: string;
  readonly ingredients: readonly Ingredient[];
  /**
   * Set when the cache was ignored: children then key on this run, because the same definition may have given
   * another result.
   */
  readonly salt?: string;
}

/** Persistent map from cache keys to records. Reads are on the path of the no-op rebuild. */
export interface KeyStore {
  get(key: Digest): Promise<CacheRecord | undefined>;
  put(key: Digest, record: CacheRecord): Promise<void>;
  /** A definition key that was found to mean the content key `target`. */
  getAlias(key: Digest): Promise<Digest | undefined>;
  putAlias(key: Digest, target: Digest): Promise<void>;
  /**
   * Runs `work` while this process alone, of all that use the store, holds `key`. Released when the process dies.
   */
  exclusively<T>(key: Digest, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

/** What a solver works with. */
export interface SolverOptions<S, R> {
  /** What a vertex does. Called once a vertex. */
  readonly resolveOp: (vertex: Vertex<S>) => Op<R>;
  readonly codec: ResultCodec<R>;
  readonly keys: KeyStore;
  readonly emit: EventSink;
  readonly signal: AbortSignal;
  /** How many ops of weight 1 run at once. */
  readonly parallelism: number;
  /** Called before the first op that is not passive executes; a build that finds everything in the cache never calls it. */
  readonly beforeExecution?: () => Promise<void>;
}

/** A result with what the image needs to know of its making. */
export interface Solved<R> {
  readonly result: R;
  /** The key that children see; undefined for what only content identifies. */
  readonly key: Digest | undefined;
  readonly cached: boolean;
  /** When the vertex was executed, in milliseconds since the epoch. */
  readonly created: number;
  /** How long that took, in milliseconds; 0 where it was not recorded. */
  readonly duration: number;
}

/** Evaluates graphs of one build; what it learns of a vertex it keeps. */
export interface Solver<S, R> {
  /** Evaluates an edge, and below it only what the cache does not have. The first failure cancels everything else. */
  solve(edge: Edge<S>): Promise<Solved<R>>;
  /**
   * What this build already knows of a vertex below an edge that was solved: its result was made, or is in the cache. Never
   * executes anything; undefined when the result is gone and nothing needed it.
   */
  peek(edge: Edge<S>): Promise<Solved<R> | undefined>;
}
