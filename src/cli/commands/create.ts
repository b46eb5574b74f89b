import type { Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { storeOf } from "./common.ts";
import { containerFlags } from "./container-flags.ts";
import { makeContainer } from "./container-image.ts";

export const command: Command = {
  name: "create",
  summary: "Makes a container from an image without starting it, and prints its id.",
  usage: "[OPTIONS] IMAGE [COMMAND [ARG…]]",
  flags: containerFlags,
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  stopAtArgument: true,
  examples: ["stagewright create --name extract builder", "stagewright cp extract:/out/app ."],
  run: async (call) => {
    const stop = interruption();
    try {
      const { container } = await makeContainer(call, storeOf(call), stop.signal);
      process.stdout.write(`${container.id}\n`);
      return 0;
    } finally {
      stop.end();
    }
  },
};
