import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BuildError, type Bytes, collect, defined, foreignText } from "../core/index.ts";
import type { DockerEndpoint, TlsFiles } from "./endpoint.ts";

/** Requests to the API of a Docker engine. Throws `unavailable` when nobody answers. */
export interface DockerApi {
  /** The answer as JSON; undefined for 404. Throws with the engine's message for other failures. */
  get(path: string): Promise<unknown>;
  /** Sends a request without a body. */
  post(path: string): Promise<void>;
  /** Sends an archive; throws with the message of the stream that comes back when the engine refuses it. */
  load(archive: Bytes): Promise<void>;
  /** The answer as it comes; undefined for 404. */
  download(path: string): Promise<Bytes | undefined>;
}

/** An engine's answers are small, except that some list every image. */
const largestAnswer = 16 * 1024 * 1024;
/** Milliseconds until an engine must have answered a question; loading may take as long as it takes. */
const patience = 30_000;

const loading = "/images/load?quiet=1";

/** The API of an engine; `signal` aborts what is asked of it. */
export function dockerApi(endpoint: DockerEndpoint, signal: AbortSignal | undefined): DockerApi {
  const ask = async (method: "GET" | "POST", path: string): Promise<Answer> => {
    const sending = await open(endpoint, method, path, { timeout: patience }, signal);
    sending.request.end();
    return await answerOf(sending.response, endpoint);
  };
  return {
    async get(path) {
      const { status, text } = await ask("GET", path);
      if (status === 404) return undefined;
      if (status !== 200) throw failure(endpoint, status, text);
      return parse(text, endpoint);
    },
    async post(path) {
      const { status, text } = await ask("POST", path);
      if (status < 200 || status > 299) throw failure(endpoint, status, text);
    },
    async load(archive) {
      const headers = { "content-type": "application/x-tar" };
      const sending = await open(endpoint, "POST", loading, { headers }, signal);
      const answered = answerOf(sending.response, endpoint);
      answered.catch(() => undefined);
      try {
        await pipeline(archive, sending.request);
      } catch (error) {
        signal?.throwIfAborted();
        // An engine that refuses may hang up before everything is sent: what it says counts. Node can lose it with the
        // connection; who may not load anything is told so again.
        const said = await answered.catch(() => undefined);
        if (said !== undefined && said.status >= 400) throw failure(endpoint, said.status, said.text);
        const again = await ask("POST", loading).catch(() => undefined);
        const refused = again !== undefined && again.status > 400 && again.status < 500;
        throw refused ? failure(endpoint, again.status, again.text) : unreachable(endpoint, error);
      }
      const { status, text } = await answered;
      if (status !== 200) throw failure(endpoint, status, text);
      checkStream(text, endpoint);
    },
    async download(path) {
      const { request, response } = await open(endpoint, "GET", path, {}, signal);
      request.end();
      const message = await response.catch((error: unknown) => {
        throw unreachable(endpoint, error);
      });
      if (message.statusCode === 200) return message;
      const { status, text } = await answerOf(response, endpoint);
      if (status === 404) return undefined;
      throw failure(endpoint, status, text);
    },
  };
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function open(
  { name, address }: DockerEndpoint,
  method: string,
  path: string,
  extra: RequestOptions,
  signal: AbortSignal | undefined,
): Promise<{ request: ReturnType<typeof httpRequest>; response: Promise<IncomingMessage> }> {
  const tls = "tls" in address ? address.tls : undefined;
  const where = "socketPath" in address ? address : { host: address.host, port: address.port };
  const options = {
    ...where,
    method,
    path,
    agent: false,
    ...extra,
    ...defined({ signal }),
  };
  // Of a host the name counts, for its certificate, too.
  const headers = { ...("socketPath" in address ? { host: "docker" } : {}), ...extra.headers };
  const request =
    tls === undefined
      ? httpRequest({ ...options, headers })
      : (await import("node:https")).request({ ...options, headers, ...tlsOptions(tls) });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
    request.on("close", () => reject(new Error(`${name} closed the connection without an answer`)));
    request.on("timeout", () => request.destroy(new Error(`${name} does not answer`)));
  });
  response.catch(() => undefined); // whoever waits for the answer reports it
  return { request, response };
}

function tlsOptions({ verify, ...pem }: TlsFiles): object {
  return { ...pem, rejectUnauthorized: verify };
}

async function answerOf(response: Promise<IncomingMessage>, endpoint: DockerEndpoint): Promise<Answer> {
  try {
    const message = await response;
    const body = await collect(message as Readable as Bytes, largestAnswer, `Docker at ${endpoint.name}`);
    return { status: message.statusCode ?? 0, text: body.toString("utf8") };
  } catch (error) {
    if (error instanceof BuildError) throw error;
    throw unreachable(endpoint, error);
  }
}

function parse(text: string, { name }: DockerEndpoint): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BuildError("unavailable", `${name} does not answer as a Docker engine does`, { cause });
  }
}

/** The engine says 200 before it reads the archive; what went wrong is in the lines that follow. */
function checkStream(text: string, endpoint: DockerEndpoint): void {
  for (const line of text.split("\n")) {
    const json = line.trim() === "" ? undefined : (parse(line, endpoint) as { error?: unknown });
    if (typeof json?.error === "string")
      throw new BuildError("failed-precondition", `Docker at ${endpoint.name}: ${foreignText(json.error)}`);
  }
}

function failure(endpoint: DockerEndpoint, status: number, text: string): BuildError {
  if (/to an HTTPS server/.test(text))
    return new BuildError("failed-precondition", `the Docker engine at ${endpoint.name} wants TLS`, {
      hint: "set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to a directory with ca.pem, cert.pem and key.pem",
    });
  let message = `status ${status}`;
  try {
    const json = JSON.parse(text) as { message?: unknown };
    if (typeof json.message === "string") message = json.message;
  } catch {
    // no Docker engine, or one that is broken: the status is all there is
  }
  return new BuildError(
    status >= 500 ? "unavailable" : "failed-precondition",
    `Docker at ${endpoint.name}: ${foreignText(message)}`,
  );
}

/** Nobody listens there, or not to us. */
function unreachable({ name, address }: DockerEndpoint, error: unknown): BuildError {
  const { code, message } = error as NodeJS.ErrnoException;
  const denied = code === "EACCES";
  const lost = code === "EPIPE" || code === "ECONNRESET";
  // OpenSSL's own message is a line of places in its source.
  const alert = /:((?:ssl\/)?tls\S* alert [\w ]+):/.exec(message)?.[1];
  return new BuildError(
    denied ? "permission-denied" : "unavailable",
    `${lost ? "lost the connection" : "cannot connect"} to the Docker engine at ${name}: ${alert ?? message}`,
    {
      hint: denied
        ? "your user may not open the socket: join the group docker, or use sudo"
        : "tls" in address
          ? "is the engine running, and are ca.pem, cert.pem and key.pem (DOCKER_CERT_PATH, or the context's) made for it?"
          : "is the engine running? DOCKER_HOST and `docker context` say where it is",
      cause: error,
    },
  );
}
