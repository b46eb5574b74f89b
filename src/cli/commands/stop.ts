import { parseSignal, stopContainer } from "../../container/index.ts";
import type { Command } from "../command.ts";
import { rootFlag } from "./common.ts";
import { secondsOf } from "./container-flags.ts";
import { eachContainer } from "./each-container.ts";

export const command: Command = {
  name: "stop",
  summary: "Stops containers: sends the stop signal, and kills what has not ended after a while.",
  usage: "[OPTIONS] CONTAINER [CONTAINER…]",
  completes: "container",
  flags: [
    {
      name: "timeout",
      short: "t",
      value: "SECONDS",
      help: "how long to wait; -1 for ever (default: the container's, 10)",
    },
    { name: "time", value: "SECONDS", help: "the same, by its older name" },
    { name: "signal", short: "s", value: "SIGNAL", help: "another signal than the container's own" },
    rootFlag,
  ],
  minArgs: 1,
  maxArgs: Number.POSITIVE_INFINITY,
  examples: ["stagewright stop web", "stagewright stop -t 1 web"],
  run: (call) => {
    const text = call.get("timeout") ?? call.get("time");
    const timeout = text === undefined ? undefined : secondsOf(text, "timeout");
    const signal = call.get("signal");
    return eachContainer(call, async (container, containers) => {
      const stopSignal = signal === undefined ? container.stopSignal : parseSignal(signal);
      await stopContainer(containers, { ...container, stopSignal }, timeout);
    });
  },
};
