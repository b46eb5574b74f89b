import type { RegistryHost, RegistrySettings } from "../config/index.ts";
import { BuildError, type Reference } from "../core/index.ts";

/** One place where a repository can be asked for: the registry itself, or a mirror of it. */
export interface Endpoint {
  /** `https://registry-1.docker.io/v2/library/ubuntu/`, with the slash at its end. */
  readonly repository: URL;
  /** As the settings and the user call it. */
  readonly host: string;
  readonly settings: RegistryHost;
  /** Repository name that tokens are scoped to. */
  readonly scope: string;
  readonly mirror: boolean;
}

/** Docker Hub answers under another name than images say. */
const hubHost = "registry-1.docker.io";

/** Where to ask for a repository, mirrors first. */
export function endpointsOf(reference: Reference, settings: RegistrySettings): Endpoint[] {
  const { mirrors = [] } = settings[reference.domain] ?? {};
  return [
    ...mirrors.map((mirror) => mirrorEndpoint(mirror, reference.path, settings)),
    ownEndpoint(reference.domain, reference.path, settings),
  ];
}

/** The registry itself, where things are pushed and logins are checked: no mirror. */
export function ownEndpoint(domain: string, path: string, settings: RegistrySettings): Endpoint {
  return endpoint(domain, "", path, settings[domain] ?? {}, false);
}

/** A mirror is `host[:port][/path]`; its own table in the settings says how to speak to it. */
function mirrorEndpoint(mirror: string, path: string, settings: RegistrySettings): Endpoint {
  const [host = "", ...prefix] = mirror
    .replace(/^https?:\/\//, "")
    .replace(/\/+$/, "")
    .split("/");
  const own = settings[host] ?? {};
  const told = mirror.startsWith("http://") ? { ...own, http: true } : own;
  return endpoint(host, prefix.join("/"), path, told, true);
}

function endpoint(
  host: string,
  prefix: string,
  path: string,
  settings: RegistryHost,
  mirror: boolean,
): Endpoint {
  const address = host === "docker.io" ? hubHost : host;
  const scope = prefix === "" ? path : `${prefix}/${path}`;
  const scheme =
    (settings.http ?? (isLoopback(host) && !settings.insecure && !settings.ca)) ? "http" : "https";
  const text = `${scheme}://${address}/v2/${scope}/`;
  if (!URL.canParse(text))
    throw new BuildError("invalid-argument", `${host} is not a registry host`, {
      hint: "a registry is a host name or address with an optional port",
    });
  return { repository: new URL(text), host, settings, scope, mirror };
}

/** Whether a host (with optional port) is this machine: traffic to it cannot be read on the way. */
export function isLoopback(host: string): boolean {
  const name = host
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "")
    .toLowerCase();
  return name === "localhost" || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name);
}
