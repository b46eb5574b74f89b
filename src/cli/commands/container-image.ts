import { existsSync } from "node:fs";
import {
  type Container,
  type ContainerImage,
  type ContainerStore,
  createContainer,
  openContainers,
} from "../../container/index.ts";
import {
  BuildError,
  digestOf,
  familiarReference,
  hostPlatform,
  type ImageConfig,
  type Platform,
  parseReference,
} from "../../core/index.ts";
import { findTool } from "../../executor/index.ts";
import { openLease } from "../../names/index.ts";
import { openRegistry } from "../../registry/index.ts";
import { pullImage, resolveDockerImage } from "../../source/index.ts";
import type { Store } from "../../store/index.ts";
import type { Call } from "../command.ts";
import { stderrTerminal } from "../progress/index.ts";
import { transferDisplay } from "../transfers.ts";
import { platformOf, writeWhole } from "./common.ts";
import { containerOptions } from "./container-flags.ts";
import { reportPull } from "./pull.ts";

/** Makes the container that `run` and `create` were asked for, from an image of the store or of its registry. */
export async function makeContainer(
  call: Call,
  store: Store,
  signal: AbortSignal,
): Promise<{ container: Container; containers: ContainerStore }> {
  const [name = "", ...command] = call.args;
  const options = { ...containerOptions(call), ...(call.is("init") ? { init: findInit() } : {}), command };
  const file = call.get("cidfile");
  if (file !== undefined && existsSync(file))
    throw new BuildError(
      "already-exists",
      `container ID file found, make sure the other container isn't running or delete ${file}`,
    );
  const containers = openContainers(store.root);
  // From here until the container names it, the lease keeps the image.
  const lease = openLease(store.root);
  const registry = openRegistry();
  try {
    await lease.begin();
    const image = await findImage(name, call, store, registry, signal);
    const here = await lease.hold(
      image.snapshot.layers.map((id) => `layer:${id}` as const),
      () => image.snapshot.layers.every((id) => store.layers.record(id) !== undefined),
    );
    if (!here) throw new BuildError("aborted", `${name} was removed just now`);
    const container = await createContainer(containers, image, options);
    if (file !== undefined) writeWhole(file, container.id);
    return { container, containers };
  } finally {
    registry.close();
    lease.release();
  }
}

/** By name or id in the store, else from the registry, as docker does. */
async function findImage(
  name: string,
  call: Call,
  store: Store,
  registry: ReturnType<typeof openRegistry>,
  signal: AbortSignal,
): Promise<ContainerImage> {
  const platform = platformOf(call) ?? hostPlatform();
  const records = store.names.find(name);
  const byId =
    records.length > 0 && store.names.get(name) === undefined ? store.names.resolve(name) : undefined;
  const pull = pullOf(call);
  if (pull === "never" && records.length === 0)
    throw new BuildError("not-found", `no image ${JSON.stringify(name)} in the store, and --pull=never`);
  const reference = byId === undefined ? name : `image@${byId.manifest.digest}`;
  const image = await resolveDockerImage(
    reference,
    { ...store, registry },
    {
      platform,
      signal,
      pull: pull === "always" && byId === undefined,
    },
  );
  if (image.origin === "registry") await bring(name, call, platform, { ...store, registry }, signal);
  const { config = {} } = JSON.parse(image.config.toString()) as ImageConfig;
  return {
    name,
    id: digestOf(image.config),
    manifest: image.manifestDigest,
    snapshot: await image.materialize({ signal }),
    config,
  };
}

/** As `pull` does: the image is here and has its name the next time. */
async function bring(
  name: string,
  call: Call,
  platform: Platform,
  stores: Parameters<typeof pullImage>[1],
  signal: AbortSignal,
): Promise<void> {
  const options = { platform, signal };
  if (call.is("quiet")) {
    await pullImage(name, stores, options);
    return;
  }
  if (stores.names.get(name) === undefined)
    process.stderr.write(`Unable to find image '${familiarReference(parseReference(name))}' locally\n`);
  const display = transferDisplay(stderrTerminal());
  try {
    await pullImage(name, stores, { ...options, onProgress: reportPull(display) });
  } finally {
    display.end();
  }
}

function pullOf(call: Call): "missing" | "always" | "never" {
  const text = call.get("pull") ?? "missing";
  if (text === "missing" || text === "always" || text === "never") return text;
  throw new BuildError("invalid-argument", `--pull ${text}: missing, always or never`);
}

function findInit(): string {
  for (const name of ["docker-init", "tini-static", "catatonit"]) {
    const path = findTool(name);
    if (path !== undefined) return path;
  }
  throw new BuildError(
    "failed-precondition",
    "--init needs one of docker-init, tini-static and catatonit on PATH",
    {
      hint: "on Debian and Ubuntu: apt-get install tini",
    },
  );
}
