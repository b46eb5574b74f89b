import { spawnSync } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { BuildError } from "../core/index.ts";
import { findTool } from "./runtime.ts";

/** A port of the machine that leads into a container. */
export interface PublishedPort {
  /** Address of the machine that it is bound to; `0.0.0.0` for all of them. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: "tcp" | "udp";
}

/** The program that connects a network namespace with the machine's network, in user space. */
export interface NetworkTool {
  readonly kind: "pasta" | "slirp4netns";
  readonly path: string;
}

/** Where the namespace is found while the chain lives: a file in the step's directory. */
export const namespaceFile = "netns";
/** Socket on which slirp4netns takes orders. */
export const slirpSocket = "slirp.sock";
/** What the start script prints when the namespace is connected; it then waits for a line. */
export const networkMark = "network\n";

/**
 * The namespace's network is slirp4netns's own; pasta is told the same. Left alone, pasta gives the namespace the machine's address,
 * with which it cannot reach the machine.
 */
export const isolatedNetwork = {
  address: "10.0.2.100",
  prefix: "24",
  gateway: "10.0.2.2",
  /** Asks the machine's own name server, wherever that is. */
  resolver: "10.0.2.3",
} as const;

/** What both programs make the interface of the namespace with. */
const tunDevice = "/dev/net/tun";

/**
 * Finds what isolated networks need. Throws `failed-precondition` when there is neither pasta nor slirp4netns, or when this user
 * may not use `/dev/net/tun`.
 */
export function detectNetworkTool(): NetworkTool {
  const [tool] = networkTools();
  if (tool === undefined)
    throw new BuildError(
      "failed-precondition",
      "an isolated network needs the program pasta or slirp4netns, and neither is on PATH",
      {
        hint: "install one (on Debian and Ubuntu: apt-get install slirp4netns, or passt of 2025 or later), or use --network host",
      },
    );
  try {
    accessSync(tunDevice, constants.R_OK | constants.W_OK);
  } catch (error) {
    const problem =
      (error as NodeJS.ErrnoException).code === "ENOENT" ? "is missing" : "is closed to this user";
    throw new BuildError("failed-precondition", `an isolated network needs ${tunDevice}, which ${problem}`, {
      hint: "usually udev makes it, for everybody: mknod -m 666 /dev/net/tun c 10 200, or chmod 666; or use --network host",
      cause: error,
    });
  }
  return tool;
}

/**
 * The programs that are there, the best one first: a recent pasta, else slirp4netns. That of 2023 (Debian 12) repeats what comes back
 * over a connection whose other half is closed, never ends it, and loses the answers to datagrams of the machine itself.
 */
function networkTools(): NetworkTool[] {
  const tools = (["pasta", "slirp4netns"] as const).flatMap((kind) => {
    const path = findTool(kind);
    return path === undefined ? [] : { kind, path };
  });
  return tools.length > 1 && isOldPasta(tools[0]!.path) ? tools.reverse() : tools;
}

const firstGoodYear = 2025;
const oldPastas = new Map<string, boolean>();

/**
 * Whether a pasta is from before 2025, or does not know: its version is a date, in one form or another. That of 2025 may print nothing
 * into a pipe, for it leaves without flushing its output.
 */
function isOldPasta(path: string): boolean {
  const known = oldPastas.get(path);
  if (known !== undefined) return known;
  const { stdout, status } = spawnSync(path, ["--version"], { encoding: "latin1", timeout: 10_000 });
  const year = /(20\d\d)_?\d\d_?\d\d/.exec(stdout?.split("\n")[0] ?? "")?.[1];
  const isOld = status !== 0 || (stdout !== "" && !(Number(year) >= firstGoodYear));
  oldPastas.set(path, isOld);
  return isOld;
}

/** What connects isolated networks here, in words; a note when that has its limits. Throws what keeps this machine from having any. */
export function describeNetworkTool(): { readonly text: string; readonly isNote?: true } {
  const { kind, path } = detectNetworkTool();
  const text = `isolated by ${kind} (${path})`;
  if (kind !== "pasta" || !isOldPasta(path)) return { text };
  const limits = `it is older than ${firstGoodYear}: connections that one side closes early may hang, and datagrams of this machine get no answer`;
  return {
    isNote: true,
    text: `${text}, but ${limits} (slirp4netns does better: apt-get install slirp4netns)`,
  };
}

/**
 * Lines of the start script that make a network namespace and connect it. All of it lives inside the chain's own
 * namespaces, so it ends with the chain. `step` is the step's directory, relative to the state directory.
 */
export function networkScript(tool: NetworkTool, step: string, ports: readonly PublishedPort[]): string[] {
  const namespace = `${step}/${namespaceFile}`;
  const log = `${step}/network.log`;
  const make = [
    `: > '${namespace}'`,
    // By way of the mount, the namespace outlives the process that made it.
    `unshare -n mount --bind /proc/self/ns/net '${namespace}' || exit 125`,
  ];
  return [
    ...make,
    ...(tool.kind === "pasta" ? pasta(tool, namespace, log, ports) : slirp(tool, step, log, ports)),
  ];
}

/** pasta goes into the background once everything is set up. Nothing but the published ports leads in or back. */
function pasta(tool: NetworkTool, namespace: string, log: string, ports: readonly PublishedPort[]): string[] {
  const forwards = (protocol: "tcp" | "udp", flag: string): string[] => {
    const specs = ports
      .filter((port) => port.protocol === protocol)
      .map(({ hostAddress, hostPort, containerPort }) => {
        const address = hostAddress === "0.0.0.0" ? "" : `${hostAddress}/`;
        return `${address}${hostPort}:${containerPort}`;
      });
    return specs.length === 0 ? [flag, "none"] : specs.flatMap((spec) => [flag, spec]);
  };
  const { address, prefix, gateway, resolver } = isolatedNetwork;
  const command = [
    ...[tool.path, "--config-net", "--quiet", "--runas", "0", "--no-map-gw"],
    ...["--address", address, "--netmask", prefix, "--gateway", gateway, "--dns-forward", resolver],
    ...[...forwards("tcp", "-t"), ...forwards("udp", "-u"), "-T", "none", "-U", "none"],
  ];
  return [
    // It changes its working directory before it opens the namespace.
    `${command.map((word) => `'${word}'`).join(" ")} --netns "$PWD/${namespace}" </dev/null >'${log}' 2>&1 || { grep -v syslog '${log}' >&2; exit 125; }`,
  ];
}

/**
 * slirp4netns stays in the foreground, and says on a descriptor when it is ready. Ports are added through its socket. Datagrams that come
 * from the machine seem to come from the gateway: they can only be answered when its address stands for the machine itself.
 */
function slirp(tool: NetworkTool, step: string, log: string, ports: readonly PublishedPort[]): string[] {
  const ready = `${step}/slirp.ready`;
  const loopback = ports.some(({ protocol }) => protocol === "udp") ? "" : " --disable-host-loopback";
  return [
    `mkfifo '${ready}'`,
    `'${tool.path}' --configure --mtu=65520${loopback} --ready-fd=5 --api-socket='${step}/${slirpSocket}' --netns-type=path '${step}/${namespaceFile}' tap0 5>'${ready}' </dev/null >'${log}' 2>&1 3>&- 4>&- &`,
    // Without a line end, so reading it "fails".
    `read -r connected <'${ready}'`,
    `[ "$connected" = 1 ] || { cat '${log}' >&2; exit 125; }`,
    `echo ${networkMark.trim()} >&2`,
    "read -r connected <&2 || exit 125",
  ];
}

/** Publishes ports through a running slirp4netns. */
export async function publishThroughSlirp(socket: string, ports: readonly PublishedPort[]): Promise<void> {
  for (const { hostAddress, hostPort, containerPort, protocol } of ports) {
    const answer = await ask(socket, {
      execute: "add_hostfwd",
      arguments: {
        proto: protocol,
        host_addr: hostAddress,
        host_port: hostPort,
        guest_addr: isolatedNetwork.address,
        guest_port: containerPort,
      },
    });
    if (answer.error !== undefined)
      throw new BuildError("failed-precondition", `cannot publish port ${hostPort}: ${answer.error.desc}`);
  }
}

async function ask(path: string, request: object): Promise<{ readonly error?: { readonly desc: string } }> {
  const { connect } = await import("node:net");
  // The path of a socket may have 107 bytes; through our own descriptor table it is always short.
  const { openSync, closeSync } = await import("node:fs");
  const directory = openSync(path.slice(0, path.lastIndexOf("/")), "r");
  try {
    const socket = connect(`/proc/self/fd/${directory}/${path.slice(path.lastIndexOf("/") + 1)}`);
    socket.end(JSON.stringify(request));
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return JSON.parse(Buffer.concat(chunks).toString());
  } finally {
    closeSync(directory);
  }
}

/**
 * Address under which a namespace reaches the machine, but for what listens only on the machine's loopback: that of the interface with
 * the default route.
 */
export function machineAddress(): string | undefined {
  const { networkInterfaces } = process.getBuiltinModule("node:os");
  const name = defaultInterface();
  return networkInterfaces()[name ?? ""]?.find(({ family }) => family === "IPv4")?.address;
}

function defaultInterface(): string | undefined {
  try {
    const routes = readFileSync("/proc/net/route", "latin1").split("\n");
    return routes.map((line) => line.split("\t")).find(([, destination]) => destination === "00000000")?.[0];
  } catch {
    return undefined;
  }
}
