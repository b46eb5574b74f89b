import { isIP } from "node:net";
import {
  type ContainerOptions,
  parsePublished,
  parseTmpfs,
  parseVolume,
  type Volume,
} from "../../container/index.ts";
import { BuildError, readFileWithin, toBuildError } from "../../core/index.ts";
import { capabilitiesLeft } from "../../executor/index.ts";
import type { Call, Flag } from "../command.ts";
import { rootFlag } from "./common.ts";
import { refusedContainerFlags } from "./container-flags-refused.ts";
import { sharedMemory, ulimitsOf } from "./limits.ts";

/** What `run` and `create` take beside an image and a command. */
export const containerFlags: readonly Flag[] = [
  { name: "name", value: "NAME", help: "name of the container" },
  { name: "rm", help: "remove the container when it ends" },
  {
    name: "env",
    short: "e",
    value: "K=V",
    many: true,
    help: "environment variable; K alone passes on the caller's",
  },
  { name: "env-file", value: "FILE", many: true, help: "file of environment variables, one in a line" },
  { name: "workdir", short: "w", value: "DIR", help: "working directory" },
  { name: "user", short: "u", value: "USER", help: "user[:group], names or numbers" },
  {
    name: "volume",
    short: "v",
    value: "HOST:DIR",
    many: true,
    help: "directory or file of the host; :ro for read-only",
  },
  { name: "mount", value: "SPEC", many: true, help: "type=bind,source=…,target=…[,readonly]" },
  {
    name: "tmpfs",
    value: "DIR[:SIZE]",
    many: true,
    help: "memory mounted in the container: /tmp or /tmp:size=64m",
  },
  { name: "shm-size", value: "SIZE", help: "size of /dev/shm (default: 64m)" },
  { name: "read-only", help: "let the container write to nothing but its mounts" },
  {
    name: "cap-drop",
    value: "NAME",
    many: true,
    help: "take a capability away, or ALL of them",
  },
  {
    name: "cap-add",
    value: "NAME",
    many: true,
    help: "leave it a capability of Docker's default set after all",
  },
  { name: "ulimit", value: "NAME=SOFT[:HARD]", many: true, help: "resource limit" },
  { name: "entrypoint", value: "PROGRAM", help: "instead of the image's ENTRYPOINT" },
  { name: "interactive", short: "i", help: "keep standard input open" },
  { name: "tty", short: "t", help: "give the program a terminal" },
  { name: "hostname", short: "h", value: "NAME", help: "host name in the container" },
  {
    name: "add-host",
    value: "HOST:IP",
    many: true,
    help: "line for /etc/hosts; host-gateway as IP is this machine",
  },
  {
    name: "publish",
    short: "p",
    value: "PORT",
    many: true,
    help: "[[IP:]HOST:]CONTAINER[/udp]: port of the host that leads to one of the container",
  },
  {
    name: "publish-all",
    short: "P",
    help: "publish every port that the image exposes, on free ports of the host",
  },
  { name: "expose", value: "PORT", many: true, help: "port that -P publishes too: 8080, 53/udp" },
  {
    name: "network",
    value: "MODE",
    help: "default, bridge, none or host",
  },
  { name: "label", short: "l", value: "K=V", many: true, help: "label of the container" },
  { name: "init", help: "put a small first process (tini) in front of the program" },
  { name: "stop-signal", value: "SIGNAL", help: "what stop sends, instead of the image's STOPSIGNAL" },
  { name: "stop-timeout", value: "SECONDS", help: "how long stop waits before it kills (default: 10)" },
  { name: "platform", value: "OS/ARCH", help: "platform of the image" },
  {
    name: "pull",
    value: "WHEN",
    completes: ["missing", "always", "never"],
    help: "ask the registry: missing, always or never (default: missing)",
  },
  { name: "cidfile", completes: "file", value: "FILE", help: "write the container's id to a file" },
  { name: "quiet", short: "q", help: "print nothing about the image that is pulled" },
  rootFlag,
  ...refusedContainerFlags,
];

/** What the flags say, for `createContainer`. */
export function containerOptions(call: Call): Omit<ContainerOptions, "command"> {
  const given = <K extends keyof ContainerOptions>(key: K, flag: string): Partial<ContainerOptions> => {
    const value = call.get(flag);
    return value === undefined ? {} : { [key]: value };
  };
  return {
    ...given("name", "name"),
    ...given("workdir", "workdir"),
    ...given("user", "user"),
    ...given("entrypoint", "entrypoint"),
    ...given("hostname", "hostname"),
    ...given("stopSignal", "stop-signal"),
    ...timeoutOption(call),
    ...networkOption(call),
    env: [...call.all("env-file").flatMap(readEnvFile), ...call.all("env")],
    expose: call.all("expose").flatMap(exposedPorts),
    tmpfs: [...call.all("tmpfs").map((text) => parseTmpfs(text)), ...sharedMemoryOption(call)],
    ulimits: ulimitsOf(call.all("ulimit")),
    readonlyRoot: call.is("read-only"),
    ...capabilitiesOption(call),
    volumes: [...call.all("volume").map((text) => parseVolume(text)), ...call.all("mount").map(parseMount)],
    ports: call.all("publish").flatMap(parsePublished),
    publishAll: call.is("publish-all"),
    extraHosts: call.all("add-host").map(parseHost),
    labels: Object.fromEntries(call.all("label").map(splitLabel)),
    interactive: call.is("interactive"),
    tty: call.is("tty"),
    autoRemove: call.is("rm"),
  };
}

/** `8080`, `8000-8002/tcp` as an image's ExposedPorts has them. */
function exposedPorts(text: string): string[] {
  if (text.includes(":"))
    throw new BuildError("invalid-argument", `invalid port format for --expose: ${text}`);
  return parsePublished(text).map(({ containerPort, protocol }) => `${containerPort}/${protocol}`);
}

function sharedMemoryOption(call: Call): NonNullable<ContainerOptions["tmpfs"]> {
  const text = call.get("shm-size");
  return text === undefined ? [] : [{ target: "/dev/shm", sizeBytes: sharedMemory(text) }];
}

function capabilitiesOption(call: Call): Partial<ContainerOptions> {
  const [drop, add] = [call.all("cap-drop"), call.all("cap-add")];
  return drop.length + add.length === 0 ? {} : { capabilities: capabilitiesLeft(drop, add) };
}

function timeoutOption(call: Call): Partial<ContainerOptions> {
  const text = call.get("stop-timeout");
  return text === undefined ? {} : { stopTimeout: secondsOf(text, "stop-timeout") };
}

/** A number of seconds; -1 means for ever. */
export function secondsOf(text: string, flag: string): number {
  if (/^(-1|\d{1,9})$/.test(text)) return Number(text);
  throw new BuildError("invalid-argument", `--${flag} ${text}: a number of seconds, or -1 to wait for ever`);
}

const networks = { default: "default", bridge: "isolated", none: "none", host: "host" } as const;

function networkOption(call: Call): Partial<ContainerOptions> {
  const text = call.get("network");
  if (text === undefined) return {};
  const network = networks[text as keyof typeof networks];
  if (network === undefined)
    throw new BuildError("invalid-argument", `network ${text} not found: default, bridge, none or host`, {
      hint: "networks with a name are not supported",
    });
  return { network };
}

/** Bytes; no process is given more variables than half of that. */
const largestEnvFile = 4 * 1024 * 1024;

/** As docker reads it: blank lines and comments are skipped, a name alone passes on the caller's value. */
function readEnvFile(file: string): string[] {
  let text: string;
  try {
    const content = readFileWithin(file, largestEnvFile);
    if (content === undefined) throw new BuildError("invalid-argument", "it has more than 4 MiB");
    text = content.toString();
  } catch (error) {
    const { code, message } = toBuildError(error);
    throw new BuildError(code, `--env-file ${file}: ${message}`, { cause: error });
  }
  return text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const name = line.split("=", 1)[0] ?? "";
      if (name === "" || /\s/.test(name))
        throw new BuildError(
          "invalid-argument",
          `${file}: variable ${JSON.stringify(name)} contains whitespaces`,
        );
      return line;
    });
}

/** `type=bind,source=/a,target=/b,readonly`. */
function parseMount(text: string): Volume {
  const fields = new Map(
    text.split(",").map((field) => {
      const [key = "", ...value] = field.split("=");
      return [key.toLowerCase(), value.join("=")] as const;
    }),
  );
  const take = (...names: string[]): string | undefined => {
    const name = names.find((one) => fields.has(one));
    const value = name === undefined ? undefined : fields.get(name);
    for (const one of names) fields.delete(one);
    return value;
  };
  const odd = text.split(",").find((field) => !field.includes("=") && !/^(readonly|ro)$/i.test(field));
  if (odd !== undefined)
    throw new BuildError(
      "invalid-argument",
      `--mount ${text}: invalid field '${odd}' must be a key=value pair`,
      {
        hint: "--mount type=bind,source=/host/directory,target=/directory",
      },
    );
  const type = take("type") ?? "volume";
  if (type !== "bind")
    throw new BuildError("unimplemented", `--mount type=${type} is not supported`, {
      hint: "type=bind mounts a directory or file of the host",
    });
  const [source = "", target = "", readonly] = [
    take("source", "src"),
    take("target", "destination", "dst"),
    take("readonly", "ro"),
  ];
  const [stranger] = fields.keys();
  if (stranger !== undefined)
    throw new BuildError("invalid-argument", `--mount ${text}: unexpected key '${stranger}'`);
  const isReadonly = readonly !== undefined && !/^(false|0)$/.test(readonly);
  return parseVolume(`${source}:${target}${isReadonly ? ":ro" : ""}`);
}

function parseHost(text: string): { host: string; ip: string } {
  const [, host = "", ip = ""] = /^([^:=]+)[:=]\[?([^\]]+)\]?$/.exec(text) ?? [];
  if (ip === "host-gateway" || isIP(ip) !== 0) return { host, ip };
  throw new BuildError("invalid-argument", `invalid IP address in add-host: ${JSON.stringify(text)}`, {
    hint: "a host reads like name:192.0.2.7, or name:host-gateway for this machine",
  });
}

function splitLabel(text: string): [string, string] {
  const [key = "", ...value] = text.split("=");
  if (key === "") throw new BuildError("invalid-argument", `invalid label: ${text}`);
  return [key, value.join("=")];
}
