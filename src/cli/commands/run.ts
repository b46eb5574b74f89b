import { join } from "node:path";
import { readLog, runAttached, startDetached } from "../../container/index.ts";
import { BuildError } from "../../core/index.ts";
import { createExecutor } from "../../executor/index.ts";
import type { Call, Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { storeOf } from "./common.ts";
import { containerFlags } from "./container-flags.ts";
import { makeContainer } from "./container-image.ts";

export const command: Command = {
  name: "run",
  summary: "Runs a program in a new container made from an image.",
  usage: "[OPTIONS] IMAGE [COMMAND [ARG…]]",
  completes: "image",
  flags: [
    { name: "detach", short: "d", help: "run in the background, and print the container's id" },
    ...containerFlags,
    {
      name: "sig-proxy",
      valueIfAlone: "true",
      value: "true",
      help: "",
      refused: "a program in the foreground gets the signals",
      accepted: ["true"],
    },
  ],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  stopAtArgument: true,
  examples: [
    "stagewright run --rm hello",
    "stagewright run -it --rm -v $PWD:/src -w /src debian:12 bash",
    "stagewright run -d --name web -p 8080:80 nginx",
  ],
  failureCode: 125,
  run: (call) => (call.is("detach") ? runDetached(call) : runInForeground(call)),
};

async function runInForeground(call: Call): Promise<number> {
  if (call.is("tty") && call.is("interactive") && !process.stdin.isTTY)
    throw new BuildError("failed-precondition", "the input device is not a TTY", {
      hint: "leave out -t where there is no terminal, as in CI",
    });
  const store = storeOf(call);
  const stop = interruption();
  // Made while the image is looked up.
  const executor = createExecutor({ stateDir: join(store.root, "run") });
  executor.catch(() => {});
  try {
    const { container, containers } = await makeContainer(call, store, stop.signal);
    const dependencies = { containers, layers: store.layers, executor: await executor, signal: stop.signal };
    // From here on signals are for the program in the container.
    stop.end();
    return await runAttached(container, dependencies);
  } finally {
    stop.end();
    await executor.then((made) => made.close()).catch(() => {});
  }
}

async function runDetached(call: Call): Promise<number> {
  const store = storeOf(call);
  const stop = interruption();
  try {
    const { container, containers } = await makeContainer(call, store, stop.signal);
    const exitCode = await startDetached(store.root, container);
    process.stdout.write(`${container.id}\n`);
    if (exitCode !== 126 && exitCode !== 127) return 0;
    // The runtime could not execute the program, and has said why.
    for await (const { data } of readLog(containers.path(container, "log"))) process.stderr.write(data);
    return exitCode;
  } finally {
    stop.end();
  }
}
