import { startDetached } from "../../container/index.ts";
import { BuildError } from "../../core/index.ts";
import type { Command } from "../command.ts";
import { rootFlag, storeOf } from "./common.ts";
import { eachContainer } from "./each-container.ts";

export const command: Command = {
  name: "start",
  summary: "Starts containers that were created, or have ended, in the background.",
  usage: "[OPTIONS] CONTAINER [CONTAINER…]",
  completes: "container",
  flags: [
    rootFlag,
    {
      name: "attach",
      short: "a",
      help: "",
      refused: "'stagewright logs -f' follows what it prints",
      accepted: ["false"],
    },
    {
      name: "interactive",
      short: "i",
      help: "",
      refused: "'stagewright run -it' makes a new one on this terminal",
      accepted: ["false"],
    },
    { name: "detach-keys", value: "", help: "", refused: "it runs in the background" },
    { name: "checkpoint", value: "", help: "", refused: "there are no checkpoints" },
    { name: "checkpoint-dir", value: "", help: "", refused: "there are no checkpoints" },
  ],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  examples: ["stagewright start web"],
  run: (call) =>
    eachContainer(call, async (container, containers) => {
      if (containers.state(container).status === "running") return;
      const exitCode = await startDetached(storeOf(call).root, container);
      if (exitCode === 126 || exitCode === 127)
        throw new BuildError(
          "failed-precondition",
          `failed to start container ${container.name}: exit code ${exitCode}`,
          {
            hint: `stagewright logs ${container.name} says more`,
          },
        );
    }),
};
