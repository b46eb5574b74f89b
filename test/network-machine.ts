import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "./sandbox.ts";

/** A machine of its own, as far as networks and name servers go: namespaces, in which servers listen. */
export interface NetworkMachine {
  /** Words before a command that is to run there. */
  readonly enter: readonly string[];
  close(): void;
}

/** The address of a machine's only interface. What listens on it can be reached from its isolated networks. */
export const addressOfMachine = "198.51.100.100";
/** The only name server, as systemd-resolved has it. Every name has the machine's address. */
export const resolverOfMachine = "127.0.0.53";
export const ports = {
  /** On the machine's address: says who it is, and closes. */
  greeting: 8000,
  /** On the machine's address: answers once the other side has closed its half of the connection. */
  patient: 8001,
  /** On the machine's loopback. */
  loopback: 8002,
} as const;

const cidr = "198.51.100.0/24";
const patienceMs = 30_000;

/** Makes a machine that has the programs that this one has, without those of the names `lacking`. */
export async function openMachine(
  { directory }: Sandbox,
  lacking: readonly string[],
): Promise<NetworkMachine> {
  const resolvConf = join(directory, "resolv.conf");
  writeFileSync(resolvConf, `nameserver ${resolverOfMachine}\n`);
  const hidden = lacking.map((name) => spawnSync("which", [name], { encoding: "utf8" }).stdout.trim());
  const setup = [
    `mount --bind '${resolvConf}' /etc/resolv.conf`,
    ...hidden.map((path) => `mount --bind /dev/null '${path}'`),
    'exec "$@"',
  ].join(" && ");
  const servers = spawn(
    "unshare",
    [
      ...["-n", "-m", "--propagation", "private", "sh", "-c", setup, "sh"],
      ...[process.execPath, join(import.meta.dirname, "network-servers.ts")],
    ],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  await said(servers.stdout, "up");
  // Its interface must not be one without a carrier. The program ends when nobody holds the other end of descriptor 4 any more.
  const link = spawn(
    "slirp4netns",
    [
      ...["--configure", `--cidr=${cidr}`, "--disable-host-loopback", "--ready-fd=3", "--exit-fd=4"],
      ...[String(servers.pid), "tap0"],
    ],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const close = (): void => {
    link.kill("SIGKILL");
    servers.kill("SIGKILL");
  };
  try {
    await said(link.stdio[3] as NodeJS.ReadableStream, "1");
    servers.stdin.write("listen\n");
    await said(servers.stdout, "listening");
  } catch (error) {
    close();
    throw error;
  }
  return { enter: ["nsenter", "-t", String(servers.pid), "-n", "-m"], close };
}

function said(stream: NodeJS.ReadableStream, mark: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    const fail = (): void => reject(new Error(`not ${JSON.stringify(mark)} but ${JSON.stringify(text)}`));
    const timer = setTimeout(fail, patienceMs);
    const look = (data: Buffer): void => {
      text += data.toString();
      if (!text.includes(mark)) return;
      clearTimeout(timer);
      stream.off("data", look);
      resolve();
    };
    stream.on("data", look);
    stream.once("end", () => {
      clearTimeout(timer);
      fail();
    });
  });
}
