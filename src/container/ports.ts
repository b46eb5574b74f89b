import { isIP } from "node:net";
import { BuildError } from "../core/index.ts";
import type { PublishedPort } from "../executor/index.ts";

const everywhere = "0.0.0.0";
const largestPort = 65535;

/**
 * Parses `[[IP:][HOST]:]CONTAINER[/tcp|/udp]`, as `docker run -p` takes it; both ports may be ranges of the same
 * length. A host port that is left out is 0: any that is free. Throws `invalid-argument`.
 */
export function parsePublished(text: string): PublishedPort[] {
  const [ports = "", given = ""] = text.split(/\/(.*)/s);
  const protocol = given.toLowerCase() || "tcp";
  const parts = split(ports);
  if (protocol === "sctp") throw unsupported(text, "neither pasta nor slirp4netns carries SCTP");
  if (protocol !== "tcp" && protocol !== "udp") throw invalid(text, `invalid proto: ${protocol}`);
  if (parts === undefined || parts.container === "") throw invalid(text, "no port specified");
  if (parts.address !== "" && isIP(parts.address) === 0)
    throw invalid(text, `invalid IP address: ${parts.address}`);
  if (isIP(parts.address) === 6) throw unsupported(text, "ports are published on IPv4 addresses only");
  const inside = range(parts.container, text);
  const outside = /^0?$/.test(parts.host) ? inside.map(() => 0) : range(parts.host, text);
  if (inside.length === 1 && outside.length > 1)
    throw unsupported(
      text,
      "one of several ports of the host is not chosen; leave it out for any that is free",
    );
  if (inside.length !== outside.length)
    throw invalid(
      text,
      `invalid ranges specified for container and host Ports: ${parts.container} and ${parts.host}`,
    );
  return inside.map((containerPort, index) => ({
    hostAddress: parts.address || everywhere,
    hostPort: outside[index]!,
    containerPort,
    protocol,
  }));
}

/** `-P`: every port that the image exposes (`8080/tcp`, `53/udp`), on any that is free. */
export function publishExposed(exposed: readonly string[]): PublishedPort[] {
  return exposed.flatMap((text) => parsePublished(text));
}

function split(text: string): { address: string; host: string; container: string } | undefined {
  const bracketed = /^\[([^\]]*)\]:(.*)$/.exec(text);
  const rest = (bracketed?.[2] ?? text).split(":");
  const container = rest.pop() ?? "";
  const host = rest.pop() ?? "";
  if (bracketed !== null)
    return rest.length > 0 ? undefined : { address: bracketed[1] ?? "", host, container };
  return { address: rest.join(":"), host, container };
}

function range(text: string, whole: string): number[] {
  const [, first = "", last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === "" || from < 1 || to > largestPort || to < from) throw invalid(whole, `invalid port ${text}`);
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function unsupported(text: string, reason: string): BuildError {
  return new BuildError("unimplemented", `--publish ${text}: ${reason}`);
}

function invalid(text: string, problem: string): BuildError {
  return new BuildError("invalid-argument", `invalid published port ${JSON.stringify(text)}: ${problem}`, {
    hint: "a port reads like 8080:80, 127.0.0.1:8080:80, 53:53/udp, or 80 for any port of the host",
  });
}

/** `0.0.0.0:8080->80/tcp`, as `ps` shows it. */
export function portText({ hostAddress, hostPort, containerPort, protocol }: PublishedPort): string {
  return `${hostAddress}:${hostPort}->${containerPort}/${protocol}`;
}

/**
 * Gives every port a host port, and sees that it is free. Somebody may take it before it is used; then the program
 * that connects the network says so.
 */
export async function claimPorts(ports: readonly PublishedPort[]): Promise<PublishedPort[]> {
  const claimed: PublishedPort[] = [];
  for (const port of ports) {
    const hostPort = await tryPort(port, claimed);
    claimed.push({ ...port, hostPort });
  }
  return claimed;
}

async function tryPort(port: PublishedPort, claimed: readonly PublishedPort[]): Promise<number> {
  const { hostAddress, protocol } = port;
  const isOurs = (hostPort: number): boolean =>
    claimed.some((other) => other.protocol === protocol && other.hostPort === hostPort);
  try {
    for (;;) {
      const found = await (protocol === "tcp" ? bindTcp(port) : bindUdp(port));
      // The same port twice, for two ports of the container.
      if (!isOurs(found)) return found;
      if (port.hostPort !== 0) throw Object.assign(new Error(), { code: "EADDRINUSE" });
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const where = `${hostAddress}:${port.hostPort}`;
    const reason =
      code === "EADDRINUSE"
        ? `Bind for ${where} failed: port is already allocated`
        : code === "EACCES"
          ? `Bind for ${where} failed: this user may not use ports below 1024`
          : `Bind for ${where} failed: ${message}`;
    throw new BuildError("failed-precondition", reason, { cause: error });
  }
}

async function bindTcp({ hostAddress, hostPort }: PublishedPort): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: hostAddress, port: hostPort, exclusive: true }, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function bindUdp({ hostAddress, hostPort }: PublishedPort): Promise<number> {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket("udp4");
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ address: hostAddress, port: hostPort, exclusive: true }, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
