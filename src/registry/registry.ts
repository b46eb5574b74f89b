import { env as processEnv } from "node:process";
import { type Credentials, findCredentials, loadRegistrySettings } from "../config/index.ts";
import type { ContentStore } from "../content/index.ts";
import {
  BuildError,
  type Bytes,
  type Descriptor,
  formatReference,
  type Reference,
  toBuildError,
} from "../core/index.ts";
import { streamBlob } from "./blob.ts";
import { type Endpoint, endpointsOf, ownEndpoint } from "./endpoint.ts";
import { failureOf } from "./failure.ts";
import { inParallel } from "./parallel.ts";
import { createRequests, type Requests } from "./requests.ts";
import { resolveAt } from "./resolve.ts";
import { discard, type Transport } from "./response.ts";
import type { Registry, RegistryClient, RegistryOptions, ResolvedImage, TransferOptions } from "./types.ts";

/** Blobs of one image that are transferred at once. */
const parallelBlobs = 5;

/** Opens a client for all registries; nothing is connected before the first request. */
export function openRegistry(options: RegistryOptions = {}): RegistryClient {
  const { env = processEnv, attempts = 5, retryDelay = 500, idleTimeout = 60_000 } = options;
  const settings = options.settings ?? loadRegistrySettings(env);
  const transport = lazyTransport({ env, idleTimeout });
  const credentials = options.credentials ?? ((host: string) => findCredentials(host, env));
  const requests = createRequests(transport, { attempts, retryDelay, credentials });
  const registry: RegistryClient = {
    resolve: (reference, resolveOptions = {}) =>
      firstOf(endpointsOf(reference, settings), resolveOptions.signal, (endpoint) =>
        resolveAt(requests, endpoint, reference, resolveOptions),
      ),
    blob: (reference, blob, transfer = {}) =>
      firstStreamOf(endpointsOf(reference, settings), transfer.signal, (endpoint) =>
        streamBlob(requests, endpoint, blob, transfer),
      ),
    pull: (image, content, transfer = {}) => pull(registry, image, content, transfer),
    async push(reference, image, content, pushOptions = {}) {
      const endpoint = ownEndpoint(reference.domain, reference.path, settings);
      const { pushTo } = await import("./push/push.ts");
      return pushTo(requests, endpoint, reference, image, content, pushOptions);
    },
    checkLogin: (domain, login, signal) => {
      const shown = createRequests(transport, { attempts, retryDelay, credentials: async () => login });
      return checkLogin(shown, ownEndpoint(domain, "login", settings), login, signal);
    },
    close: () => transport.close(),
  };
  return registry;
}

/** Asks the registry whether it is one, with a login to show when it wants one. */
async function checkLogin(
  requests: Requests,
  endpoint: Endpoint,
  login: Credentials,
  signal: AbortSignal | undefined,
): Promise<void> {
  const response = await requests.send({ endpoint, method: "GET", path: "/v2/", scopes: [], signal });
  if (response.status === 200) return discard(response);
  if (response.status !== 401 && response.status !== 403) throw await failureOf(response, endpoint.host);
  discard(response);
  const who = login.kind === "password" ? ` of user ${JSON.stringify(login.username)}` : "";
  throw new BuildError("unauthenticated", `registry ${endpoint.host} does not take the login${who}`, {
    hint: "check user name and password; some registries want an access token instead of the password",
  });
}

/** HTTP and TLS cost more time to load than a build without a registry takes. */
function lazyTransport(options: { env: NodeJS.ProcessEnv; idleTimeout: number }): Transport {
  let opened: Promise<Transport> | undefined;
  return {
    async send(request) {
      opened ??= import("./transport.ts").then(({ openTransport }) => openTransport(options));
      return (await opened).send(request);
    },
    close: () => void opened?.then((transport) => transport.close()),
  };
}

/** Tries endpoints in order. A mirror's failure only leads to the next; the last one's error counts, and tells the others. */
async function firstOf<T>(
  endpoints: readonly Endpoint[],
  signal: AbortSignal | undefined,
  work: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  const told: string[] = [];
  for (const endpoint of endpoints) {
    try {
      return await work(endpoint);
    } catch (error) {
      signal?.throwIfAborted();
      const failure = toBuildError(error);
      if (endpoint.mirror) told.push(`; mirror ${endpoint.host}: ${failure.message}`);
      else if (told.length === 0) throw error;
      else {
        const { code, message, hint, details } = failure;
        throw new BuildError(code, `${message}${told.join("")}`, { hint, details, cause: error });
      }
    }
  }
  throw new BuildError("internal", "a reference has no endpoint");
}

/** The same for a stream, as long as nothing of it came. */
async function* firstStreamOf(
  endpoints: readonly Endpoint[],
  signal: AbortSignal | undefined,
  open: (endpoint: Endpoint) => Bytes,
): Bytes {
  for (const endpoint of endpoints) {
    let begun = false;
    try {
      for await (const chunk of open(endpoint)) {
        begun = true;
        yield chunk;
      }
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (begun || !endpoint.mirror) throw error;
    }
  }
}

async function pull(
  registry: Registry,
  image: ResolvedImage,
  content: ContentStore,
  transfer: TransferOptions,
): Promise<void> {
  const { indexes, manifest, config, reference } = image;
  const missing = [...new Map(image.layers.map((layer) => [layer.digest, layer])).values()].filter(
    (layer) => {
      const there = content.stat(layer.digest);
      if (there !== undefined)
        transfer.onProgress?.({ id: layer.digest, current: there.size, total: there.size });
      return there === undefined;
    },
  );
  await inParallel(missing, parallelBlobs, transfer.signal, (layer, signal) =>
    pullBlob(registry, reference, layer, content, { ...transfer, signal }),
  );
  // What refers to the layers comes after them: a killed pull leaves no manifest without its layers.
  await content.ingestBytes(config.bytes, config.descriptor);
  for (const { bytes, descriptor } of [manifest, ...indexes.toReversed()])
    await content.ingestBytes(bytes, descriptor);
}

async function pullBlob(
  registry: Registry,
  reference: Reference,
  blob: Descriptor,
  content: ContentStore,
  transfer: TransferOptions,
): Promise<void> {
  try {
    transfer.onProgress?.({ id: blob.digest, current: 0, total: blob.size });
    await content.ingest(registry.blob(reference, blob, transfer), blob, transfer.signal);
  } catch (error) {
    if (error instanceof BuildError && error.code === "data-loss")
      throw new BuildError("data-loss", `${formatReference(reference)}: ${error.message}`, { cause: error });
    throw error;
  }
}
