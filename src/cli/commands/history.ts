import { historyRows, layerSizes, readRecord } from "../../image/index.ts";
import type { Command } from "../command.ts";
import { formatSize, printableLine } from "../progress/format.ts";
import { ago, shortId, textTable } from "../text-table.ts";
import { platformOf, rootFlag, storeOf } from "./common.ts";

const widest = 45;

export const command: Command = {
  name: "history",
  summary: "Shows how an image was made, the newest step first, with the size of each layer.",
  usage: "[OPTIONS] IMAGE",
  completes: "image",
  flags: [
    { name: "no-trunc", help: "commands in full" },
    { name: "platform", value: "OS/ARCH", help: "which image of an index" },
    rootFlag,
  ],
  minArgs: 1,
  maxArgs: 1,
  examples: ["stagewright history hello"],
  run: async (call) => {
    const store = storeOf(call);
    const record = store.names.resolve(call.args[0] as string);
    const image = readRecord(store.content, record, platformOf(call));
    const rows = historyRows(image.config, layerSizes(image, store)).map((row, index) => [
      index === 0 ? shortId(image.id) : "<missing>",
      ago(row.created),
      printableLine(call.is("no-trunc") ? row.createdBy : cut(row.createdBy)),
      row.size === undefined ? "?" : formatSize(row.size, 3),
      printableLine(row.comment),
    ]);
    process.stdout.write(textTable(["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"], rows));
    return 0;
  },
};

function cut(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > widest ? `${line.slice(0, widest - 1)}…` : line;
}
