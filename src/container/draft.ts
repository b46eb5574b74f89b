import { BuildError, type ContainerConfig, type Digest, defined } from "../core/index.ts";
import type { ProcessSpec, PublishedPort } from "../executor/index.ts";
import type { Snapshot } from "../snapshot/index.ts";
import { publishExposed } from "./ports.ts";
import { parseSignal } from "./signals.ts";
import type { ContainerStore } from "./store.ts";
import type { Container } from "./types.ts";
import { prepareVolume, type Tmpfs, type Volume } from "./volume.ts";

/** The image that a container is made of. */
export interface ContainerImage {
  /** As the caller named it. */
  readonly name: string;
  readonly id: Digest;
  readonly manifest: Digest;
  readonly snapshot: Snapshot;
  readonly config: ContainerConfig;
}

/** What the caller of `run` or `create` says; the image says the rest. */
export interface ContainerOptions {
  readonly name?: string;
  /** Replaces the image's CMD when not empty. */
  readonly command: readonly string[];
  /** Replaces the image's ENTRYPOINT, and drops its CMD; an empty string means no entrypoint. */
  readonly entrypoint?: string;
  /** `K=V`, or `K` to pass on the caller's own value. */
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly hostname?: string;
  readonly network?: ProcessSpec["network"];
  readonly extraHosts?: Container["extraHosts"];
  readonly ports?: readonly PublishedPort[];
  readonly publishAll?: boolean;
  /** What the container listens on beside what the image says: `8080/tcp`. */
  readonly expose?: readonly string[];
  readonly volumes?: readonly Volume[];
  readonly tmpfs?: readonly Tmpfs[];
  readonly ulimits?: NonNullable<Container["ulimits"]>;
  readonly capabilities?: NonNullable<Container["capabilities"]>;
  readonly readonlyRoot?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly autoRemove?: boolean;
  readonly stopSignal?: string;
  /** Seconds. */
  readonly stopTimeout?: number;
  /** A small first process on the machine, that is put in front of the program. */
  readonly init?: string;
}

const defaultStopTimeout = 10;
/** Where `--init` appears in the container. */
const initTarget = "/sbin/docker-init";

/** Makes a container, and keeps it without starting it. Throws `invalid-argument` for what makes no sense. */
export async function createContainer(
  containers: ContainerStore,
  image: ContainerImage,
  options: ContainerOptions,
): Promise<Container> {
  const { config } = image;
  const exposed = [...new Set([...Object.keys(config.ExposedPorts ?? {}), ...(options.expose ?? [])])];
  const published = [...(options.ports ?? []), ...(options.publishAll ? publishExposed(exposed) : [])];
  const init: readonly Volume[] =
    options.init === undefined ? [] : [{ source: options.init, target: initTarget, readonly: true }];
  return containers.create({
    ...defined({ name: options.name }),
    image: image.name,
    imageId: image.id,
    manifest: image.manifest,
    layers: image.snapshot.layers,
    args: [...(init.length > 0 ? [initTarget, "--"] : []), ...commandLine(config, options)],
    env: environment(config, options),
    cwd: options.workdir ?? (config.WorkingDir || "/"),
    user: options.user ?? config.User ?? "",
    hostname: options.hostname ?? "",
    network: networkOf(options, published),
    extraHosts: options.extraHosts ?? [],
    ports: published,
    exposed,
    volumes: [...(options.volumes ?? []).map(prepareVolume), ...init],
    tmpfs: options.tmpfs ?? [],
    ulimits: options.ulimits ?? [],
    ...defined({ capabilities: options.capabilities, readonlyRoot: options.readonlyRoot }),
    labels: { ...config.Labels, ...options.labels },
    tty: options.tty === true,
    interactive: options.interactive === true,
    autoRemove: options.autoRemove === true,
    stopSignal: parseSignal(options.stopSignal ?? (config.StopSignal || "SIGTERM")),
    stopTimeout: options.stopTimeout ?? defaultStopTimeout,
  });
}

/** A container whose ports are published has a network of its own; without, the machine's is faster. */
function networkOf(
  { network = "default" }: ContainerOptions,
  ports: readonly PublishedPort[],
): Container["network"] {
  return network === "default" && ports.length > 0 ? "isolated" : network;
}

function commandLine(config: ContainerConfig, { command, entrypoint }: ContainerOptions): string[] {
  const ownEntrypoint =
    entrypoint === undefined ? (config.Entrypoint ?? []) : entrypoint === "" ? [] : [entrypoint];
  const defaults = entrypoint === undefined ? (config.Cmd ?? []) : [];
  const args = [...ownEntrypoint, ...(command.length > 0 ? command : defaults)];
  if (args.length > 0) return args;
  throw new BuildError("invalid-argument", "no command specified", {
    hint: "the image has neither ENTRYPOINT nor CMD: name a program after the image",
  });
}

/** Docker's own variables, then the image's, then the caller's; of a name the last one counts. */
function environment(config: ContainerConfig, { env = [], tty }: ContainerOptions): string[] {
  const values = new Map<string, string>();
  if (tty) values.set("TERM", "xterm");
  for (const entry of [...(config.Env ?? []), ...env]) {
    const equals = entry.indexOf("=");
    if (equals === 0 || entry === "")
      throw new BuildError("invalid-argument", `invalid environment variable: ${entry}`, {
        hint: "a variable reads like NAME=value",
      });
    if (equals > 0) values.set(entry.slice(0, equals), entry.slice(equals + 1));
    else {
      const own = process.env[entry];
      if (own === undefined) values.delete(entry);
      else values.set(entry, own);
    }
  }
  return [...values].map(([name, value]) => `${name}=${value}`);
}
