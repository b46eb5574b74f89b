import { parseReference, parseRepositoryReference } from "../../core/index.ts";
import { type ImageRow, imageRows } from "../../image/index.ts";
import type { ImageRecord } from "../../names/index.ts";
import type { Store } from "../../store/index.ts";
import type { Call, Command } from "../command.ts";
import { formatSize } from "../progress/format.ts";
import { ago, shortId, textTable } from "../text-table.ts";
import { rootFlag, storeOf } from "./common.ts";

export const command: Command = {
  name: "images",
  summary: "Lists the images of the local store.",
  usage: "[OPTIONS] [NAME]",
  completes: "image",
  flags: [
    { name: "quiet", short: "q", help: "only ids" },
    { name: "no-trunc", help: "ids in full" },
    { name: "digests", help: "the digest of each image's manifest or index" },
    { name: "all", short: "a", help: "also images without a name" },
    rootFlag,
  ],
  minArgs: 0,
  maxArgs: 1,
  examples: ["stagewright images", "stagewright images --digests debian"],
  run: async (call) => {
    process.stdout.write(list(call, storeOf(call)));
    return 0;
  },
};

function list(call: Call, store: Store): string {
  const filter = call.args[0];
  const records = store.names
    .list()
    .filter((record) => record.name !== undefined || call.is("all"))
    .filter((record) => filter === undefined || matches(record, filter));
  const rows = imageRows(records, store);
  const id = (row: ImageRow) => (call.is("no-trunc") ? row.id : shortId(row.id));
  if (call.is("quiet")) return [...new Set(rows.map((row) => `${id(row)}\n`))].join("");
  const digests = call.is("digests");
  const head = ["REPOSITORY", "TAG", ...(digests ? ["DIGEST"] : []), "IMAGE ID", "CREATED", "SIZE"];
  const cells = rows.map((row) => [
    row.repository ?? "<none>",
    row.tag ?? "<none>",
    ...(digests ? [row.digest] : []),
    id(row),
    ago(row.created),
    row.problem === undefined ? formatSize(row.size, 3) : `damaged: ${row.problem}`,
  ]);
  return textTable(head, cells);
}

/** `debian` is every tag of it, `debian:12` that one. */
function matches({ name }: ImageRecord, filter: string): boolean {
  if (name === undefined) return false;
  const have = parseReference(name);
  const want = parseRepositoryReference(filter);
  return (
    have.domain === want.domain &&
    have.path === want.path &&
    (want.tag === undefined || have.tag === want.tag) &&
    (want.digest === undefined || have.digest === want.digest)
  );
}
