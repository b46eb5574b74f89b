import { diskUsage } from "../../store/index.ts";
import type { Command } from "../command.ts";
import { formatSize, printableLine } from "../progress/format.ts";
import { ago, textTable } from "../text-table.ts";
import { rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "du",
  summary: "Shows what the store takes on disk, every form of every layer counted.",
  usage: "[OPTIONS]",
  flags: [
    { name: "verbose", short: "v", help: "each layer with what needs it" },
    rootFlag,
    { name: "format", value: "", help: "", refused: "there is one format" },
    { name: "filter", value: "", many: true, help: "", refused: "-v lists every layer" },
  ],
  minArgs: 0,
  maxArgs: 0,
  examples: ["stagewright du", "stagewright du -v"],
  run: async (call) => {
    const usage = await diskUsage(storeOf(call));
    if (call.is("verbose")) {
      const rows = usage.layers.map((layer) => [
        layer.id.slice(0, 12),
        ago(layer.created),
        formatSize(layer.tar, 3),
        formatSize(layer.directory, 3),
        layer.inUse ? "yes" : "",
        neededBy([...layer.images, ...layer.steps]),
      ]);
      process.stdout.write(textTable(["LAYER", "CREATED", "TAR", "DIRECTORY", "IN USE", "NEEDED BY"], rows));
      process.stdout.write("\n");
    }
    const kinds = Object.entries(usage.kinds).map(([kind, bytes]) => [title(kind), formatSize(bytes, 3)]);
    kinds.push(["total", formatSize(usage.total, 3)], ["reclaimable", formatSize(usage.reclaimable, 3)]);
    process.stdout.write(textTable(["KIND", "SIZE"], kinds));
    return 0;
  },
};

const namedNeeds = 3;
const widestNeed = 40;

/** The first few of the images and steps that need a layer, and how many more there are. */
function neededBy(needs: readonly string[]): string {
  const shown = needs.slice(0, namedNeeds).map((need) => {
    const short = printableLine(need)
      .replace(/^docker\.io\/(library\/)?/, "")
      .replace(/^sha256:(.{12}).*/, "$1");
    return short.length > widestNeed ? `${short.slice(0, widestNeed - 1)}…` : short;
  });
  const more = needs.length - shown.length;
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join(", ");
}

function title(kind: string): string {
  return kind.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
