import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import type { ContentStore } from "../../content/index.ts";
import { BuildError, type Descriptor, isDigest } from "../../core/index.ts";
import type { Endpoint } from "../endpoint.ts";
import { failureOf, unreachable } from "../failure.ts";
import type { Requests } from "../requests.ts";
import { bodyOf, discard, type HttpResponse, type RequestBody } from "../response.ts";
import type { PushProgress, PushState } from "../types.ts";

/** Where a push goes, and what its token must allow. */
export interface PushTarget {
  readonly requests: Requests;
  readonly endpoint: Endpoint;
  /** The image, for messages. */
  readonly what: string;
  readonly scopes: readonly string[];
}

interface BlobOptions {
  /** Repository of the same registry that may have the blob. */
  readonly from?: string;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: PushProgress) => void;
}

type Blob = Pick<Descriptor, "digest" | "size">;

/** An upload that the registry has opened: where it goes on, and from which byte. */
interface Upload {
  readonly location: URL;
  readonly offset: number;
}

/** A blob up to this size is sent in one request; a bigger one so that a broken transfer can go on. */
const oneRequest = 64 * 1024;

/** Sees to it that a registry has a blob, by the cheapest way: it is there, it is elsewhere at the registry, it is sent. */
export async function pushBlob(
  to: PushTarget,
  blob: Blob,
  content: ContentStore,
  options: BlobOptions,
): Promise<Exclude<PushState, "uploading">> {
  if (await isThere(to, blob, options.signal)) return "exists";
  const { onProgress, signal } = options;
  const progress = (current: number): void =>
    onProgress?.({ id: blob.digest, current, total: blob.size, state: "uploading" });
  let upload = await begin(to, blob, options);
  if (upload === undefined) return "mounted";
  progress(0);
  for (let failures = 0; ; ) {
    const before = upload.offset;
    try {
      await send(to, blob, content, upload, progress, signal);
      return "pushed";
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof BuildError) throw error;
      const found = await statusOf(to, upload, blob, signal);
      failures = found !== undefined && found.offset > before ? 1 : failures + 1;
      if (failures >= to.requests.attempts) throw lastFailure(to, error);
      await to.requests.pause(failures, signal);
      // What broke off may have been the answer alone.
      if (found === undefined && (await isThere(to, blob, signal))) return "pushed";
      upload = found ?? (await begin(to, blob, { signal }));
      if (upload === undefined) return "mounted";
    }
  }
}

async function isThere(to: PushTarget, blob: Blob, signal: AbortSignal): Promise<boolean> {
  const response = await request(to, { method: "HEAD", path: `blobs/${blob.digest}`, signal });
  const { status, headers } = response;
  if (status === 404) {
    discard(response);
    return false;
  }
  if (status !== 200) throw await failureOf(response, to.what, "push");
  discard(response);
  const length = headers["content-length"];
  if (length !== undefined && Number(length) !== blob.size)
    throw lies(to, blob, `has it with ${length} bytes instead of ${blob.size}`);
  return true;
}

/** Opens an upload; undefined when the registry took the blob from another repository instead. */
async function begin(
  to: PushTarget,
  blob: Blob,
  { from, signal }: Pick<BlobOptions, "from" | "signal">,
): Promise<Upload | undefined> {
  const mount = from === undefined ? "" : `?${new URLSearchParams({ mount: blob.digest, from })}`;
  const response = await request(to, { method: "POST", path: `blobs/uploads/${mount}`, signal });
  if (response.status === 201 && from !== undefined) {
    checkDigest(to, blob, response);
    return undefined;
  }
  if (response.status !== 202) throw await failureOf(response, to.what, "push");
  discard(response);
  return { location: locationOf(to, response), offset: 0 };
}

/** Sends what is left of a blob and closes the upload. Rejects with other errors than BuildError when it broke off. */
async function send(
  to: PushTarget,
  blob: Blob,
  content: ContentStore,
  upload: Upload,
  progress: (current: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { offset } = upload;
  const rest = restOf(blob, content, offset, progress);
  let { location } = upload;
  let last = rest;
  if (blob.size > oneRequest || offset > 0) {
    if (rest.size > 0) location = await patch(to, upload, blob, rest, signal);
    last = bodyOf(new Uint8Array());
  }
  const closing = new URL(location);
  closing.searchParams.set("digest", blob.digest);
  const headers = { "content-type": "application/octet-stream" };
  const response = await request(to, {
    method: "PUT",
    path: closing,
    headers,
    body: last,
    once: true,
    signal,
  });
  await throwIfPassing(to, response, offset);
  if (response.status !== 201 && response.status !== 204) throw await refused(to, blob, response);
  checkDigest(to, blob, response);
}

async function patch(
  to: PushTarget,
  { location, offset }: Upload,
  blob: Blob,
  body: RequestBody,
  signal: AbortSignal,
): Promise<URL> {
  // Some registries take no range for an upload in one piece; one that goes on needs it.
  const range: Record<string, string> = offset === 0 ? {} : { "content-range": `${offset}-${blob.size - 1}` };
  const headers = { "content-type": "application/octet-stream", ...range };
  const response = await request(to, { method: "PATCH", path: location, headers, body, once: true, signal });
  await throwIfPassing(to, response, offset);
  if (response.status !== 202) throw await refused(to, blob, response);
  discard(response);
  const received = receivedBytes(response);
  if (received !== undefined && received !== blob.size)
    throw new Error(`${received} of ${blob.size} bytes arrived`);
  return locationOf(to, response);
}

/** How much of a broken upload has arrived; undefined when it cannot go on. */
async function statusOf(
  to: PushTarget,
  { location }: Upload,
  blob: Blob,
  signal: AbortSignal,
): Promise<Upload | undefined> {
  let response: HttpResponse;
  try {
    response = await request(to, { method: "GET", path: location, once: true, signal });
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
  discard(response);
  const offset = receivedBytes(response);
  if (response.status !== 204 || offset === undefined || offset > blob.size) return undefined;
  const next = response.headers.location === undefined ? location : locationOf(to, response);
  return { location: next, offset };
}

/** From `Range: 0-<last byte>`. Registries say `0-0` when nothing came, and so it counts as not said. */
function receivedBytes({ headers }: HttpResponse): number | undefined {
  const match = /^(?:bytes=)?0-(\d+)$/.exec(String(headers.range ?? ""));
  if (match === null) return undefined;
  const last = Number(match[1]);
  return last === 0 ? undefined : last + 1;
}

/** The blob from `offset` on. */
function restOf(
  blob: Blob,
  content: ContentStore,
  offset: number,
  progress: (current: number) => void,
): RequestBody {
  const open = (): Readable => {
    let current = offset;
    const stream = createReadStream(content.path(blob.digest), { start: offset, highWaterMark: 256 * 1024 });
    stream.on("data", (chunk) => {
      current += chunk.length;
      progress(current);
    });
    stream.pause();
    return stream;
  };
  return { size: blob.size - offset, open };
}

/** Where an upload goes on: the registry says it, with or without a host, and never in plain HTTP after HTTPS. */
function locationOf(to: PushTarget, response: HttpResponse): URL {
  const { location = "" } = response.headers;
  const refuse = (why: string): BuildError =>
    new BuildError(
      "unavailable",
      `${to.what}: registry ${to.endpoint.host} sends the upload to ${JSON.stringify(location)}: ${why}`,
    );
  if (location === "" || !URL.canParse(location, response.url.href)) throw refuse("that is not a URL");
  const url = new URL(location, response.url);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw refuse("that is not an HTTP URL");
  if (url.protocol === "http:" && response.url.protocol === "https:")
    throw refuse("HTTPS may not lead to plain HTTP");
  if (url.username !== "" || url.password !== "") throw refuse("a URL with credentials is refused");
  return url;
}

function checkDigest(to: PushTarget, blob: Blob, response: HttpResponse): void {
  discard(response);
  const said = response.headers["docker-content-digest"];
  if (isDigest(said) && said !== blob.digest) throw lies(to, blob, `says it has ${said} instead`);
}

/** An error that may pass: the upload's state decides how it goes on. */
async function throwIfPassing(to: PushTarget, response: HttpResponse, offset: number): Promise<void> {
  const { status } = response;
  // 416: the registry counts other bytes than we do. 404: it has forgotten the upload that was to go on.
  const passing = status === 408 || status === 416 || status === 429 || status >= 500;
  if (!passing && !(status === 404 && offset > 0)) return;
  throw new Error(`status ${status}`, { cause: await failureOf(response, to.what, "push") });
}

function lastFailure(to: PushTarget, error: unknown): BuildError {
  const { cause } = error as Error;
  return cause instanceof BuildError ? cause : unreachable(to.endpoint.host, error);
}

async function refused(to: PushTarget, { digest }: Blob, response: HttpResponse): Promise<BuildError> {
  const failure = await failureOf(response, `${to.what}: blob ${digest}`, "push");
  if (response.status !== 400) return failure;
  return new BuildError(failure.code, failure.message, {
    hint: "if the blob was damaged here, 'stagewright fsck' finds it",
  });
}

function lies(to: PushTarget, { digest }: Blob, what: string): BuildError {
  return new BuildError("data-loss", `${to.what}: blob ${digest}: registry ${to.endpoint.host} ${what}`);
}

function request(
  { requests, endpoint, scopes }: PushTarget,
  rest: Omit<Parameters<Requests["send"]>[0], "endpoint" | "scopes">,
): Promise<HttpResponse> {
  return requests.send({ endpoint, scopes, ...rest });
}
