import { goText } from "../../core/index.ts";
import { didYouMean, type ExposeInstruction, expandWords } from "../../dockerfile/index.ts";
import { invalid } from "../refuse.ts";
import { commit, type StageState, type Step, withConfig } from "../stage-state.ts";
import { warn } from "./warn.ts";

/** EXPOSE: `[[ip:]host-port:]port[-port][/protocol]`; only port and protocol count. */
export function convertExpose(state: StageState, step: Step<ExposeInstruction>): StageState {
  const { build } = step.stage;
  const options = { escape: build.dockerfile.escape };
  const words = step.instruction.ports.flatMap((text) => expandWords(text, state.env, options));
  const ports = words.flatMap((word) => portsOf(step, word));
  const exposed = {
    ...state.image.config.ExposedPorts,
    ...Object.fromEntries(ports.map((port) => [port, {}])),
  };
  return commit(withConfig(state, { ExposedPorts: exposed }), build, `EXPOSE ${goText.plainList(ports)}`);
}

/** Loaded when it is needed: hardly an EXPOSE has an address, and loading it takes a millisecond of each build. */
const isIP = (text: string) => process.getBuiltinModule("node:net").isIP(text);

/** `80/tcp`, … for one word. */
function portsOf(step: Step, word: string): string[] {
  const { address, hostPort, containerPort } = splitParts(word);
  const slash = containerPort.indexOf("/");
  const range = slash < 0 ? containerPort : containerPort.slice(0, slash);
  const protocol = (slash < 0 ? "" : containerPort.slice(slash + 1)).toLowerCase() || "tcp";
  if (range === "") throw invalid(`invalid port: ${goText.quote(word)}: no port specified`);
  if (!["tcp", "udp", "sctp"].includes(protocol))
    throw invalid(
      `invalid port: ${goText.quote(word)}: invalid proto: ${containerPort.slice(slash + 1)}`,
      didYouMean(protocol, ["tcp", "udp", "sctp"]) ?? "tcp, udp or sctp",
    );
  if (address !== "" && isIP(address.replace(/^\[(.*)\]$/, "$1")) === 0)
    throw invalid(`invalid IP address: ${address}`);
  warnOfFormat(step, word, containerPort, address !== "" || hostPort !== "");
  const ports = portRange(range);
  if (ports === undefined)
    throw invalid(`invalid containerPort: ${range}`, "EXPOSE takes ports: 8080, 53/udp or 8000-8010");
  if (hostPort !== "") {
    const host = portRange(hostPort);
    if (host === undefined) throw invalid(`invalid hostPort: ${hostPort}`);
    if (host.last - host.first !== ports.last - ports.first && ports.last !== ports.first)
      throw invalid(`invalid ranges specified for container and host Ports: ${range} and ${hostPort}`);
  }
  return Array.from({ length: ports.last - ports.first + 1 }, (_, i) => `${ports.first + i}/${protocol}`);
}

function warnOfFormat(step: Step, word: string, port: string, mapped: boolean): void {
  const protocol = port.slice(port.indexOf("/") + 1);
  if (port.includes("/") && protocol !== protocol.toLowerCase()) {
    const message = `Defined protocol '${word}' in EXPOSE instruction should be lowercase`;
    warn(step, "ExposeProtoCasing", message);
  }
  if (mapped) {
    const message = `EXPOSE instruction should not define an IP address or host-port mapping, found '${word}'`;
    warn(step, "ExposeInvalidFormat", message);
  }
}

function splitParts(word: string): { address: string; hostPort: string; containerPort: string } {
  const parts = word.split(":");
  const containerPort = parts.pop()!;
  const hostPort = parts.pop() ?? "";
  return { address: parts.join(":"), hostPort, containerPort };
}

function portRange(text: string): { first: number; last: number } | undefined {
  const dash = text.indexOf("-");
  const first = portNumber(dash < 0 ? text : text.slice(0, dash));
  const last = dash < 0 ? first : portNumber(text.slice(dash + 1));
  return first === undefined || last === undefined || last < first ? undefined : { first, last };
}

function portNumber(text: string): number | undefined {
  if (!/^\+?\d{1,9}$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65_535 ? port : undefined;
}
