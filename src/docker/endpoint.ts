import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { BuildError, defined } from "../core/index.ts";

/** Where a Docker engine is spoken to. */
export interface DockerEndpoint {
  /** As the user knows it: `unix:///var/run/docker.sock`, `tcp://host:2376`. */
  readonly name: string;
  readonly address:
    | { readonly socketPath: string }
    | { readonly host: string; readonly port: number; readonly tls?: TlsFiles };
  /** Whether somebody asked for this very endpoint; else it is the one that Docker has by default. */
  readonly explicit: boolean;
}

/** PEM texts; without `ca` the usual authorities count. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly verify: boolean;
}

const usualSocket = "unix:///var/run/docker.sock";

/**
 * Finds the engine that `docker` would talk to: the context that is named, DOCKER_HOST, DOCKER_CONTEXT, the current
 * context of Docker's configuration, the usual socket. Throws `invalid-argument` or `not-found` for what is not usable.
 */
export function dockerEndpoint(context: string | undefined, env: NodeJS.ProcessEnv): DockerEndpoint {
  const directory = env.DOCKER_CONFIG || join(env.HOME || homedir(), ".docker");
  if (context !== undefined && context !== "default") return contextEndpoint(context, directory);
  if (env.DOCKER_HOST) return endpointAt(env.DOCKER_HOST, tlsOfEnvironment(env, directory), true);
  const chosen = context ?? (env.DOCKER_CONTEXT || currentContext(directory));
  if (chosen === undefined || chosen === "default") return endpointAt(usualSocket, undefined, false);
  return contextEndpoint(chosen, directory);
}

function currentContext(directory: string): string | undefined {
  const text = read(join(directory, "config.json"));
  if (text === undefined) return undefined;
  try {
    const { currentContext } = JSON.parse(text) as { currentContext?: unknown };
    return typeof currentContext === "string" && currentContext !== "" ? currentContext : undefined;
  } catch {
    return undefined; // whoever needs a login from it reports it
  }
}

/** Docker keeps a context in directories that are named by the hash of its name. */
function contextEndpoint(name: string, directory: string): DockerEndpoint {
  const id = createHash("sha256").update(name).digest("hex");
  const text = read(join(directory, "contexts", "meta", id, "meta.json"));
  if (text === undefined)
    throw new BuildError("not-found", `Docker has no context ${JSON.stringify(name)}`, {
      hint: "`docker context ls` lists what there is",
    });
  const host = hostOf(text, name);
  const file = (pem: string) => read(join(directory, "contexts", "tls", id, "docker", pem));
  const [ca, cert, key] = [file("ca.pem"), file("cert.pem"), file("key.pem")];
  const hasTls = ca !== undefined || cert !== undefined;
  return endpointAt(host, hasTls ? tlsFiles(ca, cert, key, true) : undefined, true);
}

function hostOf(meta: string, name: string): string {
  try {
    const { Endpoints } = JSON.parse(meta) as { Endpoints?: { docker?: { Host?: unknown } } };
    const host = Endpoints?.docker?.Host;
    if (typeof host === "string" && host !== "") return host;
  } catch {
    // said below
  }
  throw new BuildError("invalid-argument", `Docker's context ${JSON.stringify(name)} names no Docker engine`);
}

function tlsOfEnvironment(env: NodeJS.ProcessEnv, directory: string): TlsFiles | undefined {
  const verify = (env.DOCKER_TLS_VERIFY ?? "") !== "";
  if (!verify && !env.DOCKER_TLS) return undefined;
  const certificates = env.DOCKER_CERT_PATH || directory;
  const file = (pem: string) => read(join(certificates, pem));
  const ca = file("ca.pem");
  if (verify && ca === undefined)
    throw new BuildError(
      "not-found",
      `DOCKER_TLS_VERIFY is set, and there is no ${join(certificates, "ca.pem")}`,
      {
        hint: "DOCKER_CERT_PATH names the directory of ca.pem, cert.pem and key.pem",
      },
    );
  return tlsFiles(ca, file("cert.pem"), file("key.pem"), verify);
}

function tlsFiles(
  ca: string | undefined,
  cert: string | undefined,
  key: string | undefined,
  verify: boolean,
): TlsFiles {
  return {
    verify,
    ...defined({ ca, cert, key }),
  };
}

function endpointAt(name: string, tls: TlsFiles | undefined, explicit: boolean): DockerEndpoint {
  const socket = /^unix:\/\/(\/.+)$/.exec(name)?.[1];
  if (socket !== undefined) return { name, address: { socketPath: socket }, explicit };
  const tcp = /^(?:tcp|https?):\/\/(\[[0-9a-f:.]+\]|[^/:[\]]+)(?::(\d+))?\/?$/i.exec(name);
  if (tcp?.[1] === undefined)
    throw new BuildError("unimplemented", `the Docker engine at ${name} cannot be reached from here`, {
      hint: "unix:// and tcp:// work; for ssh:// forward the socket, or use `stagewright save NAME | docker load`",
    });
  const secure = tls ?? (name.startsWith("https:") ? { verify: true } : undefined);
  return {
    name,
    address: {
      host: tcp[1].replace(/^\[|\]$/g, ""),
      port: Number(tcp[2] ?? (secure === undefined ? 2375 : 2376)),
      ...defined({ tls: secure }),
    },
    explicit,
  };
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new BuildError("permission-denied", `cannot read ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
