import { type Digest, digestOfFields } from "../core/index.ts";
import type { Job, KeyState, Work } from "./job.ts";
import type { CacheRecord, Edge, KeyStore, Vertex } from "./types.ts";

/**
 * Tells the key of each vertex and the record under it. A key by definition comes from the keys of the inputs alone; one
 * by content needs their results, which are then made.
 */
export function createKeys<S, R>(
  keys: KeyStore,
  { jobOf, outcomeOf, resultOf, fail }: Work<S, R>,
): (vertex: Vertex<S>) => Promise<KeyState> {
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
        parts = content ?? definition;
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

  /** Reads what a key is made of; that this fails is the vertex's own failure, as that of its execution. */
  async function ownStep<T>(vertex: Vertex<S>, work: () => Promise<T>): Promise<T> {
    const begin = Date.now();
    try {
      return await work();
    } catch (error) {
      throw fail(vertex, error, begin);
    }
  }

  return keyOf;
}

function saltedKey(key: Digest, record: CacheRecord | undefined): Digest {
  return record?.salt === undefined ? key : digestOfFields(key, record.salt);
}
