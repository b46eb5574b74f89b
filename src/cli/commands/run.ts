import { join } from "node:path";
import { parseVolume, type RunOptions, runContainer } from "../../container/index.ts";
import { BuildError, hostPlatform } from "../../core/index.ts";
import { createExecutor } from "../../executor/index.ts";
import { openLease } from "../../names/index.ts";
import { openRegistry } from "../../registry/index.ts";
import { resolveDockerImage } from "../../source/index.ts";
import type { Store } from "../../store/index.ts";
import type { Call, Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { networkOf, platformOf, rootFlag, storeOf } from "./common.ts";

const later = "it comes with a later version";

export const command: Command = {
  name: "run",
  summary: "Runs a program in a container made from an image; the container is thrown away afterwards.",
  usage: "[OPTIONS] IMAGE [COMMAND [ARG…]]",
  completes: "image",
  flags: [
    { name: "rm", help: "throw the container away afterwards; that is always done" },
    {
      name: "env",
      short: "e",
      value: "K=V",
      many: true,
      help: "environment variable; K alone passes on the caller's",
    },
    { name: "workdir", short: "w", value: "DIR", help: "working directory" },
    { name: "user", short: "u", value: "USER", help: "user[:group], names or numbers" },
    {
      name: "volume",
      short: "v",
      value: "HOST:DIR",
      many: true,
      help: "directory or file of the host; :ro for read-only",
    },
    { name: "entrypoint", value: "PROGRAM", help: "instead of the image's ENTRYPOINT" },
    { name: "interactive", short: "i", help: "pass standard input on" },
    { name: "tty", short: "t", help: "give the program a terminal" },
    { name: "hostname", short: "h", value: "NAME", help: "host name in the container" },
    { name: "network", value: "MODE", help: "default, none or host" },
    { name: "platform", value: "OS/ARCH", help: "platform of the image" },
    rootFlag,
    { name: "read-only", help: "", refused: later },
    { name: "memory", short: "m", value: "", help: "", refused: later },
    { name: "cpus", value: "", help: "", refused: later },
    { name: "cap-add", value: "", many: true, help: "", refused: later },
    { name: "cap-drop", value: "", many: true, help: "", refused: later },
    { name: "privileged", help: "", refused: "programs run in a sandbox" },
    { name: "security-opt", value: "", many: true, help: "", refused: later },
    { name: "env-file", value: "", many: true, help: "", refused: later },
    { name: "mount", value: "", many: true, help: "", refused: `${later}; -v mounts directories and files` },
    { name: "init", help: "", refused: later },
    { name: "detach", short: "d", help: "", refused: later },
    {
      name: "publish",
      short: "p",
      value: "",
      many: true,
      help: "",
      refused: `${later}; ports of the host's network can be used directly`,
    },
    { name: "name", value: "", help: "", refused: later },
  ],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  stopAtArgument: true,
  examples: ["stagewright run --rm hello", "stagewright run -it -v $PWD:/src -w /src debian:12 bash"],
  failureCode: 125,
  run: runImage,
};

async function runImage(call: Call): Promise<number> {
  if (call.is("tty") && !process.stdin.isTTY)
    throw new BuildError("failed-precondition", "the input device is not a TTY", {
      hint: "leave out -t where there is no terminal, as in CI",
    });
  const store = storeOf(call);
  const lease = openLease(store.root);
  const registry = openRegistry();
  const stop = interruption();
  try {
    await lease.begin();
    const [name = "", ...args] = call.args;
    const image = await findImage(name, call, store, registry, stop.signal);
    const snapshot = await image.materialize({ signal: stop.signal });
    const here = await lease.hold(
      snapshot.layers.map((id) => `layer:${id}` as const),
      () => snapshot.layers.every((id) => store.layers.record(id) !== undefined),
    );
    if (!here) throw new BuildError("aborted", `${name} was removed just now`);
    const executor = await createExecutor({ stateDir: join(store.root, "run") });
    // From here on signals are for the program in the container.
    stop.end();
    try {
      const { config = {} } = JSON.parse(image.config.toString());
      return await runContainer(
        { snapshot, config, command: args, ...optionsOf(call) },
        { layers: store.layers, executor, signal: stop.signal },
      );
    } finally {
      executor.close();
    }
  } finally {
    stop.end();
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
) {
  const platform = platformOf(call) ?? hostPlatform();
  const records = store.names.find(name);
  const byId =
    records.length > 0 && store.names.get(name) === undefined ? store.names.resolve(name) : undefined;
  const reference = byId === undefined ? name : `image@${byId.manifest.digest}`;
  return resolveDockerImage(reference, { ...store, registry }, { platform, signal });
}

function optionsOf(call: Call): Omit<RunOptions, "snapshot" | "config" | "command"> {
  const [workdir, user, entrypoint, hostname] = ["workdir", "user", "entrypoint", "hostname"].map((flag) =>
    call.get(flag),
  );
  const network = networkOf(call);
  return {
    env: call.all("env"),
    volumes: call.all("volume").map((text) => parseVolume(text)),
    interactive: call.is("interactive"),
    tty: call.is("tty"),
    ...(workdir === undefined ? {} : { workdir }),
    ...(user === undefined ? {} : { user }),
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(network === undefined ? {} : { network }),
  };
}
