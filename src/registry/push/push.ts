import type { ContentStore } from "../../content/index.ts";
import { BuildError, defined, formatReference, isDigest, type Reference } from "../../core/index.ts";
import type { Endpoint } from "../endpoint.ts";
import { failureOf } from "../failure.ts";
import { headManifest } from "../manifest.ts";
import { inParallel } from "../parallel.ts";
import type { Requests } from "../requests.ts";
import { bodyOf, discard } from "../response.ts";
import type { FetchedManifest, ImageToPush, PushOptions, PushResult } from "../types.ts";
import { type PushTarget, pushBlob } from "./blob.ts";

/** Blobs that are sent at once. */
const parallelBlobs = 4;

/** Pushes an image to one endpoint: blobs, then manifests, then what the name means. */
export async function pushTo(
  requests: Requests,
  endpoint: Endpoint,
  reference: Reference,
  image: ImageToPush,
  content: ContentStore,
  { signal, onProgress, mountFrom }: PushOptions,
): Promise<PushResult> {
  const what = formatReference(reference);
  const sources = image.blobs.flatMap(({ digest }) => mountFrom?.(digest) ?? []);
  const to: PushTarget = { requests, endpoint, what, scopes: scopesOf(endpoint, sources) };
  let uploaded = 0;
  await inParallel(image.blobs, parallelBlobs, signal, async (blob, stop) => {
    const from = mountFrom?.(blob.digest);
    const state = await pushBlob(to, blob, content, {
      signal: stop,
      ...defined({ from, onProgress }),
    });
    if (state === "pushed") uploaded++;
    onProgress?.({ id: blob.digest, current: blob.size, total: blob.size, state });
  });
  for (const manifest of image.manifests) await putManifest(to, manifest, manifest.descriptor.digest, signal);
  const { target } = image;
  await putManifest(to, target, reference.tag ?? target.descriptor.digest, signal);
  return { target: target.descriptor, uploaded };
}

/** One token for the whole push: for the repository, and to read from those that blobs may be taken from. */
function scopesOf(endpoint: Endpoint, sources: readonly string[]): readonly string[] {
  const others = [...new Set(sources)].filter((source) => source !== endpoint.scope).sort();
  return [
    `repository:${endpoint.scope}:pull,push`,
    ...others.map((repository) => `repository:${repository}:pull`),
  ];
}

/** Puts a manifest under a tag or its digest, unless it is there; the registry's answer must name its digest. */
async function putManifest(
  to: PushTarget,
  { descriptor, bytes }: FetchedManifest,
  tagOrDigest: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { requests, endpoint, what, scopes } = to;
  if ((await headManifest(requests, endpoint, tagOrDigest, signal, scopes)) === descriptor.digest) return;
  const response = await requests.send({
    endpoint,
    method: "PUT",
    path: `manifests/${tagOrDigest}`,
    headers: { "content-type": descriptor.mediaType },
    body: bodyOf(bytes),
    scopes,
    signal,
  });
  if (response.status !== 201 && response.status !== 200) throw await failureOf(response, what, "push");
  discard(response);
  const said = response.headers["docker-content-digest"];
  const digest = isDigest(said) ? said : await headManifest(requests, endpoint, tagOrDigest, signal, scopes);
  if (digest !== undefined && digest !== descriptor.digest)
    throw new BuildError(
      "data-loss",
      `${what}: registry ${endpoint.host} says it has ${digest} instead of ${descriptor.digest}`,
    );
}
