import { readFileSync } from "node:fs";
import { BuildError } from "../core/index.ts";
import type { ProcessSpec } from "./types.ts";

/** The host name of a step, as BuildKit has it. */
export const defaultHostname = "buildkitsandbox";

const hostResolvConf = "/etc/resolv.conf";
/** Where systemd-resolved keeps the servers behind its stub. */
const resolvedConf = "/run/systemd/resolve/resolv.conf";
const resolvedStub = "127.0.0.53";
/** What Docker falls back to when no server of the host's can be reached from the network namespace. */
const publicServers = ["8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"];

/** What `--add-host` calls the machine that builds. */
const hostGateway = "host-gateway";

/**
 * Text of the step's /etc/hosts. `isolated` is for a network of the step's own: its address there, and the machine's as seen from there,
 * where that has one. Otherwise the machine is on the loopback address.
 */
export function hostsFile(
  hostname: string,
  extra: ProcessSpec["extraHosts"] = [],
  isolated?: { readonly address: string; readonly machine: string | undefined },
): string {
  const machine = isolated === undefined ? "127.0.0.1" : isolated.machine;
  const lines = [
    isolated === undefined ? `127.0.0.1\tlocalhost ${hostname}` : "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
  ];
  if (isolated !== undefined) lines.push(`${isolated.address}\t${hostname}`);
  for (const { host, ip } of extra) {
    const address = ip === hostGateway ? machine : ip;
    if (address === undefined)
      throw new BuildError(
        "failed-precondition",
        `--add-host ${host}:${hostGateway}: this machine has no address`,
        {
          hint: "it needs an IPv4 address and a default route, or give the address yourself",
        },
      );
    lines.push(`${address}\t${host}`);
  }
  return `${lines.join("\n")}\n`;
}

/**
 * Text of the step's /etc/resolv.conf. With the host's network it is the host's own file; in another
 * namespace servers on loopback addresses cannot be reached, so they are left out.
 */
export function resolvConf(sharesHostNetwork: boolean): string {
  const own = textOfHost(hostResolvConf);
  if (sharesHostNetwork && nameservers(own).length > 0) return own;
  const servers = nameservers(own);
  const stubbed = servers.length === 1 && servers[0] === resolvedStub;
  return withoutLoopback(stubbed ? textOfHost(resolvedConf) : own);
}

/**
 * Text of /etc/resolv.conf on an isolated network: `forwarder` asks the machine's first server, also one on a loopback address; the
 * others are asked after it, where they can be reached. Search domains and options stay.
 */
export function isolatedResolvConf(forwarder: string): string {
  const own = textOfHost(hostResolvConf);
  if (nameservers(own).length === 0) return resolvConf(false);
  const kept = own.split("\n").filter((line) => line !== "" && !nameservers(line).some(isLoopback));
  return `${[`nameserver ${forwarder}`, ...kept].join("\n")}\n`;
}

function textOfHost(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function nameservers(text: string): string[] {
  return [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map((match) => match[1]!);
}

function withoutLoopback(text: string): string {
  const kept = text.split("\n").filter((line) => !nameservers(line).some(isLoopback));
  const result = kept.join("\n").replace(/\n*$/, "\n");
  if (nameservers(result).length > 0) return result;
  return `${result === "\n" ? "" : result}${publicServers.map((server) => `nameserver ${server}\n`).join("")}`;
}

function isLoopback(address: string): boolean {
  return /^127\./.test(address) || address === "::1";
}
