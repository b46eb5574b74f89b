import { historyRows, layerSizes, readRecord } from "../../image/index.ts";
import type { Command } from "../command.ts";
import { formatSize, printableLine } from "../progress/format.ts";
import { formatRows } from "../row-format.ts";
import { ago, createdAt, shortId } from "../text-table.ts";
import { platformOf, rootFlag, storeOf } from "./common.ts";

const widest = 45;

const titles = {
  ID: "IMAGE",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  CreatedBy: "CREATED BY",
  Size: "SIZE",
  Comment: "COMMENT",
};
const usual = "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";

export const command: Command = {
  name: "history",
  summary: "Shows how an image was made, the newest step first, with the size of each layer.",
  usage: "[OPTIONS] IMAGE",
  completes: "image",
  flags: [
    { name: "no-trunc", help: "ids and commands in full" },
    { name: "quiet", short: "q", help: "only ids" },
    { name: "human", short: "H", help: "sizes and times for people (default); =false: bytes and dates" },
    {
      name: "format",
      value: "FORMAT",
      completes: ["json", "table"],
      help: "json, or a template: {{.ID}}, .CreatedSince, .CreatedAt, .CreatedBy, .Size, .Comment",
    },
    { name: "platform", value: "OS/ARCH", help: "which image of an index" },
    rootFlag,
  ],
  minArgs: 1,
  maxArgs: 1,
  examples: ["stagewright history hello"],
  run: async (call) => {
    const store = storeOf(call);
    const full = call.is("no-trunc");
    const exact = call.given("human") && !call.is("human");
    const id = (digest: string) => (full ? digest : shortId(digest));
    const record = store.names.resolve(call.args[0] as string);
    const image = readRecord(store.content, record, platformOf(call));
    const rows = historyRows(image.config, layerSizes(image, store)).map((row, index) => ({
      ID: index === 0 ? id(image.id) : "<missing>",
      CreatedSince: exact ? createdAt(row.created) : ago(row.created),
      CreatedBy: printableLine(full ? row.createdBy : cut(row.createdBy)),
      Size: row.size === undefined ? "?" : exact ? String(row.size) : formatSize(row.size, 3),
      Comment: printableLine(row.comment),
      CreatedAt: createdAt(row.created),
    }));
    const format = call.is("quiet") ? "{{.ID}}" : (call.get("format") ?? "table");
    process.stdout.write(formatRows(format === "table" ? usual : format, titles, rows));
    return 0;
  },
};

function cut(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > widest ? `${line.slice(0, widest - 1)}…` : line;
}
