import type { Digest } from "../core/index.ts";
import type { CacheKey, CacheRecord, Edge, JobContext, Op, Vertex } from "./types.ts";

/** What an executed or restored vertex gives. */
export interface Outcome<R> {
  readonly results: readonly R[];
  readonly cached: boolean;
  readonly created: number;
  readonly duration: number;
}

export interface KeyState {
  /** Where the record is; undefined when the vertex cannot be cached. */
  readonly key: Digest | undefined;
  /** What children see: the key, with the salt of a forced execution. */
  readonly childKey: Digest | undefined;
  readonly parts: CacheKey | undefined;
  readonly record: CacheRecord | undefined;
}

/** What is known of a vertex in this build; each part is worked out once. */
export interface Job<R> {
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

/** How the two halves of a solver, keys and results, see each other. */
export interface Work<S, R> {
  jobOf(vertex: Vertex<S>): Job<R>;
  /** Starts the vertex, unless it was started before. */
  outcomeOf(vertex: Vertex<S>): Promise<Outcome<R>>;
  resultOf(edge: Edge<S>): Promise<R>;
  /** Ends the build with a vertex's failure, said once to those who watch. */
  fail(vertex: Vertex<S>, error: unknown, begin: number): Error;
}
