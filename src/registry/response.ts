import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { RegistryHost } from "../config/index.ts";

/** What a request carries: made anew each time it is sent. */
export interface RequestBody {
  /** In bytes. */
  readonly size: number;
  readonly open: () => Readable;
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "PUT";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  readonly settings: RegistryHost;
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body is not read yet: read it, or `discard` it. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly url: URL;
  readonly body: IncomingMessage;
}

/** Sends single requests: no redirects, no retries. Connections are kept alive and pass through proxies. */
export interface Transport {
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

/** Throws away an unread body: a short one is read so that its connection can be used again, a long one is cut. */
export function discard(response: HttpResponse): void {
  const { body } = response;
  const length = Number(response.headers["content-length"] ?? Number.NaN);
  if (length <= 64 * 1024) body.resume();
  else body.destroy();
}

/** A small body that is in memory. */
export function bodyOf(bytes: Uint8Array): RequestBody {
  return { size: bytes.length, open: () => Readable.from([bytes]) };
}
