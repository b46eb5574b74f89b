import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { openContainers } from "../../container/index.ts";
import type { Command } from "../command.ts";
import { formatSize } from "../progress/format.ts";
import { rootFlag, storeOf } from "./common.ts";
import { confirmed, force, untilOf } from "./prune.ts";

/** `container prune` */
export const containerPrune: Command = {
  name: "container prune",
  summary: "Removes all containers that do not run.",
  usage: "[OPTIONS]",
  flags: [
    force,
    {
      name: "filter",
      value: "until=TIME",
      many: true,
      help: "spare what was made since: 24h, 7d, or a date",
    },
    rootFlag,
  ],
  minArgs: 0,
  maxArgs: 0,
  examples: ["stagewright container prune --force"],
  run: async (call) => {
    const until = untilOf(call.all("filter"));
    const containers = openContainers(storeOf(call).root);
    if (!call.is("force") && !(await confirmed("all containers that do not run"))) return 1;
    const ended = containers
      .list()
      .filter((container) => containers.state(container).status !== "running")
      .filter(({ created }) => until === undefined || created < until);
    let bytes = 0;
    const removed: string[] = [];
    for (const container of ended) {
      const held = containers.tryOccupy(container);
      // Somebody has just started it, or removes it.
      if (held === undefined) continue;
      try {
        bytes += sizeOf(containers.path(container, "upper"));
        await containers.remove(container);
        removed.push(container.id);
      } finally {
        held.release();
      }
    }
    if (removed.length > 0) process.stdout.write(`Deleted Containers:\n${removed.join("\n")}\n\n`);
    process.stdout.write(`Total reclaimed space: ${formatSize(bytes, 4)}\n`);
    return 0;
  },
};

/** Bytes of the files below a directory, as far as this user may look. */
function sizeOf(directory: string): number {
  try {
    return readdirSync(directory, { withFileTypes: true }).reduce((sum, entry) => {
      const path = join(directory, entry.name);
      return sum + (entry.isDirectory() ? sizeOf(path) : entry.isFile() ? lstatSync(path).size : 0);
    }, 0);
  } catch {
    return 0;
  }
}
