import { randomUUID } from "node:crypto";
import { type Digest, digestOf, type EventSink, toBuildError } from "../core/index.ts";

/** What the work of a step may say about itself. */
export interface StepProgress {
  readonly vertex: Digest;
  /** Something counted in bytes: shown as `transferring dockerfile: 36B`. Call again as it goes on. */
  status(id: string, current: number, options?: { total?: number; done?: boolean }): void;
}

/**
 * Shows work that no instruction stands for (`[internal] load build definition from Dockerfile`) as a vertex of
 * its own.
 */
export async function internalStep<T>(
  emit: EventSink,
  name: string,
  work: (progress: StepProgress) => Promise<T> | T,
): Promise<T> {
  const vertex = digestOf(`${name} ${randomUUID()}`);
  const started = Date.now();
  const event = { kind: "vertex", digest: vertex, name, inputs: [], internal: true, started } as const;
  const beginnings = new Map<string, number>();
  emit(event);
  try {
    const result = await work({
      vertex,
      status(id, current, { total = 0, done = false } = {}) {
        const timestamp = Date.now();
        const begin = beginnings.get(id) ?? timestamp;
        beginnings.set(id, begin);
        const end = done ? { completed: timestamp } : {};
        emit({ kind: "status", vertex, id, current, total, timestamp, started: begin, ...end });
      },
    });
    emit({ ...event, completed: Date.now() });
    return result;
  } catch (error) {
    emit({ ...event, completed: Date.now(), error: toBuildError(error).message });
    throw error;
  }
}
