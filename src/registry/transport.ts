import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import type { RegistryHost } from "../config/index.ts";
import { BuildError, defined } from "../core/index.ts";
import type { HttpRequest, RequestBody, Transport } from "./response.ts";

/** Larger than any header block that registries send (signed redirects are long). */
const maxHeaderSize = 64 * 1024;

/** Connections to one host at a time. */
const maxSockets = 8;

/** Opens an HTTP client that keeps its connections. `idleTimeout`: milliseconds without a byte after which a request fails. */
export function openTransport(options: { env: NodeJS.ProcessEnv; idleTimeout: number }): Transport {
  const { env, idleTimeout } = options;
  const agentOptions = { keepAlive: true, maxSockets, proxyEnv: env };
  const plain = new http.Agent(agentOptions);
  const secure = new Map<string, https.Agent>();
  const secureAgent = (settings: RegistryHost): https.Agent => {
    const { ca, keypair, insecure } = settings;
    const key = JSON.stringify([ca, keypair, insecure]);
    let agent = secure.get(key);
    if (agent === undefined) {
      agent = new https.Agent({ ...agentOptions, ...tlsOptions(settings, env) });
      secure.set(key, agent);
    }
    return agent;
  };
  return {
    send({ method, url, headers, body, settings, signal }) {
      signal?.throwIfAborted();
      const common = {
        method,
        headers: {
          ...headers,
          ...lengthOf(method, body),
          "accept-encoding": "identity",
          "user-agent": "stagewright",
        },
        maxHeaderSize,
        timeout: idleTimeout,
        ...defined({ signal }),
      };
      return new Promise((resolve, reject) => {
        const request =
          url.protocol === "https:"
            ? https.request(url, { ...common, agent: secureAgent(settings) })
            : http.request(url, { ...common, agent: plain });
        request.on("timeout", () => request.destroy(stalled(url, idleTimeout)));
        request.on("error", reject);
        // As after an answer that switches protocols, which nobody asked for.
        request.on("close", () => reject(new Error("the connection was closed without an answer")));
        request.on("response", (answer) => {
          // A reader that is gone must not turn a late error of the connection into an uncaught one.
          answer.on("error", () => {});
          // An answer before the end of what we send: the rest is not wanted, and the connection is of no more use.
          if (!request.writableEnded) answer.on("close", () => request.destroy());
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, url, body: answer });
        });
        if (body === undefined) request.end();
        else sendBody(body, request);
      });
    },
    close() {
      plain.destroy();
      for (const agent of secure.values()) agent.destroy();
    },
  };
}

function lengthOf(method: HttpRequest["method"], body: RequestBody | undefined): Record<string, string> {
  if (body !== undefined) return { "content-length": String(body.size) };
  return method === "GET" || method === "HEAD" ? {} : { "content-length": "0" };
}

/** Writes the body as fast as the connection takes it. A body that cannot be read ends the request. */
function sendBody(body: RequestBody, request: http.ClientRequest): void {
  const source = body.open();
  source.on("error", (error) => request.destroy(error));
  request.on("close", () => source.destroy());
  request.on("response", () => {
    if (!request.writableEnded) source.destroy();
  });
  source.pipe(request);
}

function stalled(url: URL, milliseconds: number): Error {
  const error: NodeJS.ErrnoException = new Error(`${url.host} sent nothing for ${milliseconds / 1000} s`);
  error.code = "ETIMEDOUT";
  return error;
}

function tlsOptions(settings: RegistryHost, env: NodeJS.ProcessEnv): https.AgentOptions {
  const secureContext = contextOf(settings, env);
  return {
    ...defined({ secureContext }),
    ...(settings.insecure ? { rejectUnauthorized: false } : {}),
  };
}

/**
 * Certificates to trust: Node's default roots and, added to them, the settings' and `NODE_EXTRA_CA_CERTS`. Node
 * itself reads that variable only when a process starts and does not hand it to every child, so it is read here.
 */
function contextOf(
  { ca = [], keypair = [] }: RegistryHost,
  env: NodeJS.ProcessEnv,
): SecureContext | undefined {
  const extra = env.NODE_EXTRA_CA_CERTS ? [env.NODE_EXTRA_CA_CERTS] : [];
  const files = [...ca, ...extra];
  if (files.length === 0 && keypair.length === 0) return undefined;
  return createSecureContext({
    ca: [...getCACertificates("default"), ...files.map((file) => readPem(file))],
    ...(keypair.length === 0
      ? {}
      : {
          key: keypair.map((pair) => readPem(pair.key)),
          cert: keypair.map((pair) => readPem(pair.cert)),
        }),
  });
}

function readPem(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new BuildError("failed-precondition", `certificate file ${file} cannot be read`, {
      hint: "check NODE_EXTRA_CA_CERTS and the registry settings (ca, keypair)",
      cause,
    });
  }
}
