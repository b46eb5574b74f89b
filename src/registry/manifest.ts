import {
  BuildError,
  type Bytes,
  collect,
  type Digest,
  defined,
  digestOf,
  isDigest,
  mediaTypes,
} from "../core/index.ts";
import {
  type ImageIndex,
  isIndex,
  isIndexType,
  type Manifest,
  parseManifestOrIndex,
} from "../image/index.ts";
import type { Endpoint } from "./endpoint.ts";
import { failureOf } from "./failure.ts";
import type { Requests } from "./requests.ts";
import { discard, type HttpResponse } from "./response.ts";
import type { FetchedManifest } from "./types.ts";

/** What registries commonly allow for a manifest. */
export const maxManifestSize = 4 * 1024 * 1024;

const accepted = [
  mediaTypes.ociIndex,
  mediaTypes.ociManifest,
  mediaTypes.dockerManifestList,
  mediaTypes.dockerManifest,
];

const headers = { accept: accepted.join(", ") };

/** Asks what digest a tag has, without the manifest. `undefined` when the registry does not say. */
export async function headManifest(
  requests: Requests,
  endpoint: Endpoint,
  tag: string,
  signal: AbortSignal | undefined,
  scopes?: readonly string[],
): Promise<Digest | undefined> {
  const response = await requests.send({
    endpoint,
    method: "HEAD",
    path: `manifests/${tag}`,
    headers,
    signal,
    ...defined({ scopes }),
  });
  discard(response);
  const digest = response.headers["docker-content-digest"];
  return response.status === 200 && isDigest(digest) ? digest : undefined;
}

/**
 * Fetches a manifest or index by tag or digest. Throws `data-loss` when what comes is not what was asked for or what the
 * registry itself announces.
 */
export async function fetchManifest(
  requests: Requests,
  endpoint: Endpoint,
  tagOrDigest: string,
  what: string,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest> {
  const path = `manifests/${tagOrDigest}`;
  const response = await requests.send({ endpoint, method: "GET", path, headers, signal });
  if (response.status !== 200) throw await failureOf(response, what);
  const bytes = await readBody(response, what);
  const digest = digestOf(bytes);
  const announced = response.headers["docker-content-digest"];
  const expected = isDigest(tagOrDigest) ? tagOrDigest : isDigest(announced) ? announced : digest;
  if (digest !== expected)
    throw new BuildError(
      "data-loss",
      `${what}: registry ${endpoint.host} sent ${digest} instead of ${expected}`,
    );
  const type = response.headers["content-type"]?.split(";", 1)[0]?.trim() ?? "";
  return { descriptor: { mediaType: mediaTypeOf(bytes, type, what), digest, size: bytes.length }, bytes };
}

async function readBody(response: HttpResponse, what: string): Promise<Buffer> {
  const length = Number(response.headers["content-length"] ?? 0);
  if (length > maxManifestSize) {
    discard(response);
    throw new BuildError("resource-exhausted", `${what}: manifest is larger than ${maxManifestSize} bytes`);
  }
  return collect(response.body as Bytes, maxManifestSize, `${what}: manifest`);
}

/**
 * The media type of a manifest. What the header says and what the document says must agree: a document that is
 * a manifest to one reader and an index to another has no meaning (CVE-2021-41190).
 */
function mediaTypeOf(bytes: Buffer, announced: string, what: string): string {
  if (announced.startsWith("application/vnd.docker.distribution.manifest.v1"))
    throw new BuildError("unimplemented", `${what}: image of schema version 1 is not supported`, {
      hint: "push it anew by a current tool",
    });
  if (announced.startsWith("text/html"))
    throw new BuildError("data-loss", `${what}: a web page came instead of a manifest`, {
      hint: "is this a registry, or is a proxy in between?",
    });
  const document = parse(bytes, what);
  const own = document.mediaType ?? (isIndex(document) ? mediaTypes.ociIndex : mediaTypes.ociManifest);
  const generic = announced === "" || !announced.startsWith("application/vnd.");
  const type = generic ? own : announced;
  if ((document.mediaType !== undefined && type !== own) || isIndex(document) !== isIndexType(type))
    throw new BuildError("data-loss", `${what}: announced as ${type}, but it is ${own}`);
  if (!(accepted as string[]).includes(type))
    throw new BuildError("unimplemented", `${what}: media type ${JSON.stringify(type)} is not an image's`);
  return type;
}

/** Parses a manifest that a registry sent. */
export function parse(bytes: Buffer, what: string): Manifest | ImageIndex {
  try {
    return parseManifestOrIndex(bytes, what);
  } catch (error) {
    if (error instanceof BuildError && error.code === "invalid-argument")
      throw new BuildError("data-loss", error.message, { hint: error.hint, cause: error });
    throw error;
  }
}
