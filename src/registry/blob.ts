import { BuildError, type Bytes, type Descriptor } from "../core/index.ts";
import type { Endpoint } from "./endpoint.ts";
import { failureOf, unreachable } from "./failure.ts";
import type { Requests } from "./requests.ts";
import { discard, type HttpResponse } from "./response.ts";
import type { TransferOptions } from "./types.ts";

/**
 * Streams a blob from one endpoint: exactly `size` bytes or an error. A transfer that breaks off goes on with a range
 * request from where it stopped, as long as each attempt brings something.
 */
export async function* streamBlob(
  requests: Requests,
  endpoint: Endpoint,
  blob: Pick<Descriptor, "digest" | "size">,
  { signal, onProgress }: TransferOptions,
): Bytes {
  let offset = 0;
  for (let failures = 0; offset < blob.size || offset === 0; ) {
    const response = await openAt(requests, endpoint, blob, offset, signal);
    const before = offset;
    try {
      for await (const chunk of skipping(response, offset)) {
        offset += chunk.length;
        if (offset > blob.size) throw lies(endpoint, blob, `sends more than its ${blob.size} bytes`);
        onProgress?.({ id: blob.digest, current: offset, total: blob.size });
        yield chunk;
      }
      if (offset === blob.size) return;
      throw new Error(`${offset} of ${blob.size} bytes arrived`);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof BuildError) throw error;
      failures = offset > before ? 1 : failures + 1;
      if (failures >= requests.attempts) throw unreachable(endpoint.host, error);
      await requests.pause(failures, signal);
    } finally {
      response.body.destroy();
    }
  }
}

/** Asks for a blob from `offset` on and checks that the answer is about it. */
async function openAt(
  requests: Requests,
  endpoint: Endpoint,
  blob: Pick<Descriptor, "digest" | "size">,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  const response = await requests.send({
    endpoint,
    method: "GET",
    path: `blobs/${blob.digest}`,
    headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
    signal,
  });
  if (response.status !== 200 && !(response.status === 206 && offset > 0))
    throw await failureOf(response, `${endpoint.scope}@${blob.digest}`);
  const expected = response.status === 206 ? blob.size - offset : blob.size;
  const length = response.headers["content-length"];
  const range = response.headers["content-range"];
  const wrong =
    length !== undefined && Number(length) !== expected
      ? `announces ${length} bytes instead of ${expected}`
      : response.status === 206 && !range?.startsWith(`bytes ${offset}-`)
        ? `answers the range from ${offset} with ${JSON.stringify(range ?? "")}`
        : undefined;
  if (wrong === undefined) return response;
  discard(response);
  throw lies(endpoint, blob, wrong);
}

/** The body from `offset` on, whether or not the server honoured the range. */
async function* skipping(response: HttpResponse, offset: number): Bytes {
  let skip = response.status === 206 ? 0 : offset;
  for await (const chunk of response.body as Bytes) {
    if (skip >= chunk.length) skip -= chunk.length;
    else {
      yield skip === 0 ? chunk : chunk.subarray(skip);
      skip = 0;
    }
  }
}

function lies(endpoint: Endpoint, blob: Pick<Descriptor, "digest">, what: string): BuildError {
  return new BuildError("data-loss", `${endpoint.scope}@${blob.digest}: registry ${endpoint.host} ${what}`);
}
