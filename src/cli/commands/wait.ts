import { openContainers, waitForContainer } from "../../container/index.ts";
import type { Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "wait",
  summary: "Waits until containers have ended, and prints their exit codes.",
  usage: "[OPTIONS] CONTAINER [CONTAINER…]",
  completes: "container",
  flags: [rootFlag],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  examples: ["stagewright wait job"],
  run: async (call) => {
    const containers = openContainers(storeOf(call).root);
    const stop = interruption();
    try {
      for (const container of call.args.map((text) => containers.find(text)))
        process.stdout.write(`${await waitForContainer(containers, container, stop.signal)}\n`);
      return 0;
    } finally {
      stop.end();
    }
  },
};
