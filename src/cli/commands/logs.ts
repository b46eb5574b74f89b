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
    { name: "since", value: "TIME", help: "only what came since: 10m, 1h30m, a date, or Unix seconds" },
    { name: "until", value: "TIME", help: "only what came before" },
    rootFlag,
    { name: "details", help: "", refused: "the log has nothing but what was printed", accepted: ["false"] },
  ],
  minArgs: 1,
  maxArgs: 1,
  examples: ["stagewright logs web", "stagewright logs -f --tail 10 web"],
  run: async (call) => {
    const containers = openContainers(storeOf(call).root);
    const container = containers.find(call.args[0] ?? "");
    const since = timeOf(call, "since") ?? Number.NEGATIVE_INFINITY;
    const until = timeOf(call, "until") ?? Number.POSITIVE_INFINITY;
    const stop = interruption();
    const isOver = (): boolean => Date.now() > until || containers.state(container).status !== "running";
    const options = {
      ...tailOption(call),
      ...(call.is("follow") ? { follow: { isOver, signal: stop.signal } } : {}),
    };
    try {
      for await (const { stream, time, data } of readLog(containers.path(container, "log"), options)) {
        if (time > until) break;
        if (time < since) continue;
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

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };

/** A moment as docker takes it, in milliseconds since the epoch: how long ago, Unix seconds, or a date. */
function timeOf(call: Call, flag: string): number | undefined {
  const text = call.get(flag);
  if (text === undefined) return undefined;
  if (/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(text)) {
    const parts = [...text.matchAll(/([\d.]+)(ms|[smhd])/g)];
    return Date.now() - parts.reduce((sum, [, amount, unit = ""]) => sum + Number(amount) * unitMs[unit]!, 0);
  }
  const time = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (!Number.isNaN(time)) return time;
  throw new BuildError(
    "invalid-argument",
    `--${flag} ${text}: expected a time such as 10m or 2026-01-31T12:00:00`,
  );
}
