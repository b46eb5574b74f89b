import { parseSignal, signalContainer } from "../../container/index.ts";
import type { Command } from "../command.ts";
import { rootFlag } from "./common.ts";
import { eachContainer } from "./each-container.ts";

export const command: Command = {
  name: "kill",
  summary: "Sends a signal to the programs of running containers.",
  usage: "[OPTIONS] CONTAINER [CONTAINER…]",
  completes: "container",
  flags: [{ name: "signal", short: "s", value: "SIGNAL", help: "name or number (default: KILL)" }, rootFlag],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  examples: ["stagewright kill -s HUP web"],
  run: (call) => {
    const signal = parseSignal(call.get("signal") ?? "KILL");
    return eachContainer(call, (container, containers) => signalContainer(containers, container, signal));
  },
};
