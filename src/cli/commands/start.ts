import { join } from "node:path";
import { openContainers, runAttached, startDetached } from "../../container/index.ts";
import { BuildError } from "../../core/index.ts";
import { createExecutor } from "../../executor/index.ts";
import type { Call, Command } from "../command.ts";
import { rootFlag, storeOf } from "./common.ts";
import { eachContainer } from "./each-container.ts";

export const command: Command = {
  name: "start",
  summary: "Starts containers that were created, or have ended, in the background.",
  usage: "[OPTIONS] CONTAINER [CONTAINER…]",
  completes: "container",
  flags: [
    { name: "attach", short: "a", help: "run it in the foreground, as run does; one container only" },
    { name: "interactive", short: "i", help: "the same, and hand on standard input, if it was made with -i" },
    rootFlag,
    { name: "detach-keys", value: "", help: "", refused: "Ctrl-C goes to the program" },
    { name: "checkpoint", value: "", help: "", refused: "there are no checkpoints" },
    { name: "checkpoint-dir", value: "", help: "", refused: "there are no checkpoints" },
  ],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  examples: ["stagewright start web", "stagewright start -a job"],
  run: (call) =>
    call.is("attach") || call.is("interactive") ? startInForeground(call) : startInBackground(call),
};

function startInBackground(call: Call): Promise<number> {
  return eachContainer(call, async (container, containers) => {
    if (containers.state(container).status === "running") return;
    const exitCode = await startDetached(storeOf(call).root, container);
    if (exitCode === 126 || exitCode === 127)
      throw new BuildError(
        "failed-precondition",
        `failed to start container ${container.name}: exit code ${exitCode}`,
        { hint: `stagewright logs ${container.name} says more` },
      );
  });
}

async function startInForeground(call: Call): Promise<number> {
  const [name = "", ...others] = call.args;
  if (others.length > 0)
    throw new BuildError("invalid-argument", "you cannot start and attach multiple containers at once");
  const store = storeOf(call);
  const containers = openContainers(store.root);
  const container = containers.find(name);
  if (containers.state(container).status === "running")
    throw new BuildError("failed-precondition", `container ${container.name} is running already`, {
      hint: `'stagewright logs -f ${container.name}' follows what it prints`,
    });
  const executor = await createExecutor({ stateDir: join(store.root, "run") });
  try {
    return await runAttached(
      { ...container, interactive: container.interactive && call.is("interactive") },
      { containers, layers: store.layers, executor, signal: new AbortController().signal },
    );
  } finally {
    executor.close();
  }
}
