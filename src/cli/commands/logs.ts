import { openContainers, readLog } from "../../container/index.ts";
import { BuildError } from "../../core/index.ts";
import type { Call, Command } from "../command.ts";
import { interruption } from "../interruption.ts";
import { rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "logs",
  summary: "Prints what a container has printed: its stdout on stdout, its stderr on stderr.",
  usage: "[OPTIONS] CONTAINER",
  completes: "container",
  flags: [
    { name: "follow", short: "f", help: "go on until the container ends" },
    { name: "tail", short: "n", value: "N", help: "only the last N lines (default: all)" },
    { name: "timestamps", short: "t", help: "put the time in front of each line" },
    rootFlag,
  ],
  minArgs: 1,
  maxArgs: 1,
  examples: ["stagewright logs web", "stagewright logs -f --tail 10 web"],
  run: async (call) => {
    const containers = openContainers(storeOf(call).root);
    const container = containers.find(call.args[0] ?? "");
    const stop = interruption();
    const isOver = (): boolean => containers.state(container).status !== "running";
    const options = {
      ...tailOption(call),
      ...(call.is("follow") ? { follow: { isOver, signal: stop.signal } } : {}),
    };
    try {
      for await (const { stream, time, data } of readLog(containers.path(container, "log"), options)) {
        const target = stream === 1 ? process.stdout : process.stderr;
        if (call.is("timestamps")) target.write(`${new Date(time).toISOString()} `);
        target.write(data);
      }
      return stop.signal.aborted ? 130 : 0;
    } finally {
      stop.end();
    }
  },
};

function tailOption(call: Call): { tail?: number } {
  const text = call.get("tail") ?? "all";
  if (text === "all" || text.startsWith("-")) return {};
  if (/^\d{1,15}$/.test(text)) return { tail: Number(text) };
  throw new BuildError("invalid-argument", `--tail ${text}: a number of lines, or all`);
}
